"""What a command's help looks like: options in groups, each with a word for its value, a flag with none."""

from collections.abc import Iterable
from typing import Any

GROUPS = {
    "What is computed": ("answers", "replicates", "target_error", "max_replicates", "seed"),
    "Where it is computed": ("workers", "executor", "scheduler", "timeout", "shard"),
    "What becomes of it": ("out", "json", "as_json", "fresh", "dry_run", "yes", "quiet"),
}
VALUES = {"answers": "LIST", "target_error": "E", "workers": "N"}


def arrange(command: Any, parameters: Iterable[str] = ()) -> Any:
    """Return a command, and all that it has, with its help arranged; ``parameters`` are those of a system."""
    its_help = command.get_help_option

    def get_help_option(context: Any) -> Any:
        option = its_help(context)
        option.metavar = ""
        return option

    command.get_help_option = get_help_option
    for option in command.params:
        if option.param_type_name != "option":
            continue
        if option.metavar is None:
            option.metavar = "" if option.is_flag else VALUES.get(option.name, option.name.upper())
        if parameters:
            group = next((words for words, names in GROUPS.items() if option.name in names), None)
            option.rich_help_panel = "Parameters" if option.name in parameters else group
    for member in getattr(command, "commands", {}).values():
        arrange(member)
    return command
