"""The explorer in a real browser: dragged, typed, streamed, cancelled, linked, reloaded, in two tabs, each system."""

import json
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.explore.browser import SERVERS, Tab, chromium, descendants, explorer, missing
from tests.explore.toys import BEGIN
from tsmech.systems import REGISTRY

pytestmark = [pytest.mark.slow, pytest.mark.browser]
SWEEP: dict[str, Any] = {"alpha": "0.5:2:4", "noise": [0.1, 0.5], "penalty": [0.1, 1.0], "replicates": 2}
LONG = 180.0
"""Seconds that a first page may take, on a busy machine, with all that is compiled for it."""
PLACE = """
const plots = [];
const look = (view) => {
  if (view.model.type === 'Figure') plots.push(view);
  for (const one of view.children()) look(one);
};
for (const view of Bokeh.index.roots) look(view);
const [view] = plots, box = view.canvas_view.el.getBoundingClientRect();
const {x_scale, y_scale} = view.frame;
return [box.x + x_scale.compute(arguments[0]), box.y + y_scale.compute(arguments[1])];
"""
"""Where a place of the first picture is in the window."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a saved run of an experiment, and one of several axes."""
    import tsmech

    place = tmp_path_factory.mktemp("explored")
    tsmech.run("ridge", **SWEEP, answers="theory,reduced", workers=1, out=place / "several")
    from tsmech.runs import resolve

    for name, more in (
        ("double_descent", {}),
        ("ridge_phase_diagram", {"alpha": "0.5:2:6", "penalty": "log:0.01:1:6"}),
    ):
        saved = place / f"runs/{name}-{resolve(name, {}).digest()}"
        tsmech.run(name, answers="theory", workers=1, out=saved, **more)
    return place


@pytest.fixture(scope="module")
def site(place: Path) -> Iterator[str]:
    if words := missing():
        pytest.skip(f"{words}: make test-browser gets what it needs")
    with explorer("several", cwd=place, begin=BEGIN) as address:
        assert address.endswith("/run")
        yield address.removesuffix("/run")


@pytest.fixture(scope="module")
def driver(site: str) -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(autouse=True)
def _quiet(driver: Any) -> Iterator[None]:
    """Fail where a page reports an error, or asks another host for anything."""
    yield
    severe = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert [words for words in severe if "favicon" not in words] == []
    asked = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    addresses = [one["params"]["request"]["url"] for one in asked if one["method"] == "Network.requestWillBeSent"]
    assert {urlsplit(one).hostname for one in addresses if one.startswith(("http", "ws"))} <= {"127.0.0.1"}
    while len(driver.window_handles) > 1:
        driver.close()
        driver.switch_to.window(driver.window_handles[0])
    driver.get("about:blank")


def theory(tab: Tab) -> Any:
    """Return the lines of theory of the first panel."""
    return tab.numbers("ys", "ys")


def shown(tab: Tab, seconds: float = LONG) -> Any:
    """Wait for theory, and return it."""
    return tab.wait(
        lambda: theory(tab) and "theory is under way" not in tab.text(".status") and theory(tab), seconds=seconds
    )


def count(tab: Tab) -> int:
    """Return how many simulations are done, by the words of the page."""
    words = tab.text(".status")
    if "simulations: all" in words:
        return 10**9
    return int(words.partition("simulations: ")[2].split()[0]) if " of " in words else 0


@pytest.mark.parametrize("system", [*REGISTRY, "two_tasks"])
def test_each_system_has_a_page_with_its_theory(driver: Any, site: str, system: str) -> None:
    tab = Tab(driver, f"{site}/{system}?answers={'exact,drawn' if system == 'two_tasks' else 'theory'}")
    assert shown(tab)
    assert tab.text(".refused").strip() == ""


def test_theory_follows_the_slider_and_words_and_link_follow_too(driver: Any, site: str) -> None:
    from selenium.webdriver import ActionChains

    tab = Tab(driver, f"{site}/ridge?answers=theory")
    before = shown(tab)
    handle = tab.one(".slider-noise").shadow_root.find_element("css selector", ".noUi-handle")
    ActionChains(driver).click_and_hold(handle).move_by_offset(60, 0).perform()
    tab.wait(lambda: theory(tab) != before)
    drag = ActionChains(driver, duration=0)
    for _ in range(20):  # the last place counts, however many came before their pictures
        drag.move_by_offset(-1, 0)
    drag.release().perform()
    tab.wait(lambda: "noise=" in driver.current_url)
    words = tab.words("noise")
    assert 0.5 < float(words) <= 2.0
    tab.wait(lambda: f"noise={words}" in driver.current_url)
    tab.wait(lambda: f"--noise {words}" in tab.text(".way-command"))
    found = shown(tab)
    again = Tab(driver, driver.current_url)
    again.wait(lambda: theory(again) == found)


def test_the_pointer_reads_a_line(driver: Any, site: str) -> None:
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    tab = Tab(driver, f"{site}/gradient_flow?answers=theory&plot.y=test_error")
    (line,) = shown(tab)
    (times,) = tab.numbers("ys", "xs")
    place = len(line) // 2
    x, y = driver.execute_script(PLACE, times[place], line[place])
    pointer = ActionBuilder(driver)
    pointer.pointer_action.move_to_location(round(x), round(y))
    pointer.perform()
    tab.wait(lambda: f"{line[place]:.5g}" in tab.text(".bk-Tooltip"), "no tooltip")


def test_a_bad_value_is_refused_beside_its_control_and_a_good_one_takes_it_away(driver: Any, site: str) -> None:
    tab = Tab(driver, f"{site}/ridge?answers=theory")
    before = shown(tab)
    tab.type("penalty", "-1")
    tab.wait(lambda: "penalty = -1 is not allowed: it must be a number at least 0" in tab.text(".error-penalty"))
    assert tab.text(".error-noise").strip() == ""
    tab.type("penalty", "0.3")
    tab.wait(lambda: tab.text(".error-penalty").strip() == "" and theory(tab) != before)
    tab.type("alpha", "")
    tab.wait(lambda: "ridge needs alpha" in tab.text(".error-alpha"))


def test_simulations_stream_are_cancelled_by_a_change_and_stopped_by_the_button(driver: Any, site: str) -> None:
    tab = Tab(driver, f"{site}/ridge?replicates=2000&dimension=400&alpha=0.2:4:20")
    tab.wait(lambda: count(tab) > 20, seconds=LONG)
    assert len(tab.numbers("marker", "x")) > 0
    seen = count(tab)
    tab.wait(lambda: count(tab) > seen)
    tab.type("noise", "0.7")
    tab.wait(lambda: 0 < count(tab) < 10**9)
    tab.one(".stop").shadow_root.find_element("css selector", "button").click()
    tab.wait(lambda: "simulations are stopped" in tab.text(".status"))
    before = shown(tab)
    tab.type("noise", "0.2")
    tab.wait(lambda: theory(tab) != before)


def test_a_link_and_a_reload_show_the_same(driver: Any, site: str) -> None:
    tab = Tab(driver, f"{site}/ridge?answers=theory")
    shown(tab)
    tab.choose("axis-by", "penalty")
    tab.wait(lambda: len(theory(tab)) == 3)
    tab.type("penalty", "0.01,0.1")
    tab.wait(lambda: len(theory(tab)) == 2)
    tab.wait(lambda: "penalty=0.01" in driver.current_url and "plot.by=penalty" in driver.current_url)
    found, address = shown(tab), driver.current_url
    driver.get("about:blank")
    again = Tab(driver, address)
    again.wait(lambda: theory(again) == found)
    driver.refresh()
    again.wait(lambda: theory(again) == found)
    assert again.words("penalty") == "0.01,0.1"


def test_two_tabs_do_not_disturb_each_other_and_a_closed_one_ends_its_workers(driver: Any, site: str) -> None:
    one = Tab(driver, f"{site}/ridge?answers=theory&noise=0.3")
    first = shown(one)
    server = SERVERS[f"{site}/run"]
    before = set(descendants(server))  # those of tabs that other tests have closed end meanwhile
    driver.switch_to.new_window("tab")
    other = Tab(driver, f"{site}/ridge?answers=theory&noise=0.9")
    second = shown(other)
    other.type("noise", "1.5")
    other.wait(lambda: theory(other) not in (first, second))
    workers = set(descendants(server)) - before
    assert workers
    driver.close()
    driver.switch_to.window(one.handle)
    assert theory(one) == first
    assert one.words("noise") == "0.3"
    gone = "the workers of the closed tab are still there"
    one.wait(lambda: not workers & set(descendants(server)), gone, 60)


def test_axes_colours_maps_and_entries_are_a_choice(driver: Any, site: str) -> None:
    tab = Tab(driver, f"{site}/ridge?answers=theory")
    shown(tab)
    tab.choose("axis-x", "penalty")
    tab.wait(lambda: tab.words("penalty") == "log:0.001:10:40" and tab.words("alpha") == "2")
    tab.choose("map-value", "test_error")
    tab.wait(lambda: tab.numbers("image", "dw"))
    tab.wait(lambda: "plot.value=test_error" in driver.current_url)
    kinds = Tab(driver, f"{site}/two_tasks?plot.y=m,C%5B0%2C+keep%5D&answers=exact")
    assert len(shown(kinds)) == 2
    kinds = Tab(driver, f"{site}/two_tasks?plot.x=task&plot.y=memory&answers=exact")
    kinds.wait(lambda: kinds.numbers("marker", "marker") and set(kinds.numbers("marker", "marker")) == {"dash"})


def test_matrices_and_trajectories_are_a_choice_and_tell_their_numbers_where_the_pointer_is(
    driver: Any, site: str
) -> None:
    from selenium.webdriver import ActionChains

    tab = Tab(driver, f"{site}/two_tasks?answers=exact")
    shown(tab)
    tab.choose("map-value", "C")
    tab.wait(lambda: tab.numbers("image", "dw") == [2])
    tab.wait(lambda: "plot.matrix=C" in driver.current_url)
    ActionChains(driver).move_to_element_with_offset(tab.one(".bk-Figure"), -60, -60).perform()
    tab.wait(lambda: "fate: keep half: 0 value: 1.0045" in tab.text(".bk-Tooltip"))
    tab.choose("map-value", "–")
    tab.wait(lambda: theory(tab))
    tab.choose("axis-x", "memory")
    tab.wait(lambda: len(tab.numbers("x0", "along")) == 2)


def test_axes_can_have_the_symbols_of_a_paper_and_files_that_are_saved_have_them_too(
    driver: Any, site: str, tmp_path: Path
) -> None:
    tab = Tab(driver, f"{site}/ridge?answers=theory&alpha=0.5:4:8&penalty=0.1")
    ours = shown(tab)
    tab.choose("convention", "Hastie et al. 2022")
    tab.wait(lambda: theory(tab) != ours)
    tab.wait(lambda: "convention=Hastie" in driver.current_url)
    tab.wait(lambda: "--convention 'Hastie et al. 2022'" in tab.text(".way-command"))
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    files = {kind: tab.save(kind, tmp_path / f"ridge.{kind}") for kind in ("png", "svg", "csv")}
    assert files["png"].startswith(b"\x89PNG")
    assert b"<svg" in files["svg"]
    header, first = files["csv"].decode().splitlines()[:2]
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert float(row["alpha as γ of Hastie et al. 2022"]) == 1 / float(row["alpha"])
    tab.type("alpha", "")
    tab.wait(lambda: "ridge needs alpha" in tab.text(".error-alpha"))
    assert tab.save("png", tmp_path / "ridge.txt") == b"there is nothing to save"
    tab.wait(lambda: "there is nothing to save" in tab.text(".status"))


def test_an_experiment_opens_with_its_saved_run_under_it(driver: Any, site: str) -> None:
    tab = Tab(driver, f"{site}/double_descent?answers=theory")
    shown(tab)
    tab.wait(lambda: "pale: the saved run" in tab.text(".status"))
    tab.wait(lambda: 0.3 in tab.numbers("ys", "alpha"))
    assert tab.words("penalty") == "0,0.25"
    tab = Tab(driver, f"{site}/ridge_phase_diagram?answers=theory")
    tab.wait(lambda: "beside: the saved run" in tab.text(".status"))
    tab.wait(lambda: len(tab.all(".bk-Figure")) == 2 and tab.numbers("image", "dw"))


def test_a_run_is_shown_in_small_multiples_and_says_when_it_is_gone(driver: Any, site: str, place: Path) -> None:
    tab = Tab(driver, f"{site}/run")
    tab.wait(lambda: tab.text(".status") == "ready" and theory(tab))
    assert len(tab.all(".bk-Figure")) == 4
    tab.choose("axis-x", "train_error")
    tab.wait(lambda: tab.text(".status") == "ready" and tab.numbers("x0", "along"))
    assert tab.text(".way-command") == "tsmech plot several --x train_error"
    tab.wait(lambda: "plot.x=train_error" in driver.current_url)
    driver.refresh()
    tab.wait(lambda: tab.numbers("x0", "along"))
    import tsmech

    tsmech.run("ridge", **SWEEP | {"replicates": 3}, answers="theory,reduced", workers=1, out=place / "several")
    tab.wait(lambda: "several has changed since the page was opened: reload" in tab.text(".status"))
    shutil.move(place / "several", place / "moved")
    try:
        tab.wait(lambda: "is not there any more" in tab.text(".status"))
        driver.refresh()
        tab.wait(lambda: "several is not a run directory" in tab.text(".refused-page"))
    finally:
        shutil.move(place / "moved", place / "several")


def test_what_a_link_says_wrong_is_said_in_a_sentence(driver: Any, site: str) -> None:
    tab = Tab(driver, f"{site}/ridge?nosie=0.3&answers=theory&noise=0.9")
    tab.wait(lambda: "nosie, which ridge has not: did you mean noise?" in tab.text(".status"))
    assert tab.words("noise") == "0.9"
    assert shown(tab)
    tab.wait(lambda: driver.current_url.endswith("?noise=0.9&answers=theory"))
    tab = Tab(driver, f"{site}/online_sgd?learning_rate=1000&activation=linear&duration=5&answers=theory")
    tab.wait(lambda: "theory: diverged, the first at alpha" in tab.text(".status"), seconds=LONG)


@pytest.mark.parametrize(("rates", "lines"), [("2,3", 0), ("0.5,2", 1)])
def test_a_solver_that_gives_up_is_said_and_what_it_finds_is_drawn(
    driver: Any, site: str, rates: str, lines: int
) -> None:
    tab = Tab(driver, f"{site}/stubborn?answers=exact&plot.y=memory&plot.by=rate&rate={rates}")
    tab.wait(lambda: "theory: no fixed point was found at rate = 2" in tab.text(".status"), seconds=LONG)
    tab.wait(lambda: len(theory(tab)) == lines)


def test_an_address_that_is_no_page_says_so_and_leads_to_the_list(site: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        urllib.request.urlopen(f"{site}/rigde")
    words = refused.value.read().decode()
    assert "rigde is neither a system nor an experiment: did you mean ridge?" in words
    assert 'href="/"' in words


def test_the_list_leads_to_all_pages(driver: Any, site: str) -> None:
    tab = Tab(driver, f"{site}/")
    tab.wait(lambda: all(name in tab.text("*") for name in (*REGISTRY, "double_descent")))


def test_a_page_of_another_origin_gets_no_connection(site: str) -> None:
    port = urlsplit(site).port
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ=="
    key = f"Connection: Upgrade\r\nUpgrade: websocket\r\n{key}"
    here, elsewhere = f"127.0.0.1:{port}", f"elsewhere.example:{port}"  # whose name its owner makes lead here
    for path, host, origin, answer in (
        ("/ridge/ws", here, "http://127.0.0.2:1", b"403"),
        ("/ridge/ws", here, site, b"101"),
        ("/ridge/ws", elsewhere, f"http://{elsewhere}", b"403"),
        ("/ridge", elsewhere, f"http://{elsewhere}", b"403"),
        ("/ridge", f"localhost:{port}", site, b"200"),
    ):
        with socket.create_connection(("127.0.0.1", port), 10) as line:
            upgrade = key if path.endswith("ws") else "Connection: close"
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n{upgrade}\r\n\r\n".encode())
            assert line.recv(100).split()[1] == answer
    with socket.socket() as line:
        line.settimeout(2)
        assert line.connect_ex(("127.0.0.3", port)) != 0  # another address of this machine
