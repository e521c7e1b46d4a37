"""The explorer: theory beside streaming simulations in the browser, at play (``tsmech explore``, an extra)."""
