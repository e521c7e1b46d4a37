"""Each bad input: one line that names what is wrong, its value and what is allowed; exit code 2; nothing written."""

import os
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from tests.commands import command, run_child
from tests.gauge import register
from tsmech import runs
from tsmech.experiment import build
from tsmech.runs import carry_out
from tsmech.store.locks import FILE
from tsmech.words import printable


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a directory with one bad thing of each kind."""
    here = tmp_path_factory.mktemp("bad")
    files: dict[str, str | bytes] = {
        "text.csv": "1,2\n3,four\n",
        "first.csv": "x,1,2\n1,2,3\n4,5,7\n",
        "nan.csv": "1,2\n3,nan\n",
        "ragged.csv": "1,2\n3\n",
        "empty.csv": "",
        "header.csv": "a,b\n",
        "negative.csv": "1\n-1\n",
        "wrong.xls": "1,2\n3,4\n",
        "wrong.npy": "no array",
        "wrong.parquet": "no table",
        "latin.csv": b"1,2\n\xe9,3\n",
        "good.csv": "a,b\n1,2\n3,4\n6,9\n",
        "index.csv": "id,a,b\n0,1,2\n1,3,4\n2,6,9\n",
        "malformed.toml": "system = ",
        "nosystem.toml": "seed = 1",
        "key.toml": 'system = "gauge"\nreplicatse = 3\n[parameters]\nlevel = 1\n',
        "name.toml": 'system = "gauge"\n[parameters]\nlevle = 1\n',
        "value.toml": 'system = "gauge"\n[parameters]\nlevel = nan\n',
        "missing.toml": 'system = "ridge"\n[parameters]\nalpha = 1\nspectrum = "nowhere.csv"\n',
        "nested.toml": 'system = "ridge"\n[parameters]\nalpha = ' + "[" * 20_000 + "]" * 20_000,
        "dotted.toml": ".".join(["a"] * 100_000) + " = 1",
        "huge.toml": "#" * 1_000_001,
        "twice.toml": 'system = "ridge"\n[parameters]\nalpha = 1\nteacher-weights = [1]\nteacher_weights = [2]\n',
        "escape.toml": 'system = "ridge"\n[parameters]\nalpha = 1\nspectrum = "\\u001b[31m.csv"\n',
        "key_escape.toml": '"\\u001b[31m" = 1\n',
        "a file": "mine",
        "occupied/thesis.tex": "mine",
        f"text/{FILE}": "no database " * 100,
    }
    for name, content in files.items():
        path = here / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    np.save(here / "text.npy", np.array(["a", "b"]))
    (here / "device.csv").symlink_to("/dev/zero")
    os.mkfifo(here / "pipe.toml")
    for name, target in (("loop", "loop"), ("loop.toml", "loop.toml"), ("zero.toml", "/dev/zero")):
        (here / name).symlink_to(target)
    return here


@pytest.fixture(autouse=True)
def _here(bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the toy systems, and work in a directory that has all of it, and stays as it is."""
    register(monkeypatch.setitem)
    shutil.copytree(bad, tmp_path, symlinks=True, copy_function=os.link, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


DIGITS = "9" * 5000
NAME = "x" * 5000
RANGE = "it needs start below stop and a count of 2 to 1000000"

CASES: list[tuple[str, str]] = [
    # numbers and ranges
    ("run ridge --alpha 2 --noise -1", "noise = -1 is not allowed: it must be a number at least 0"),
    ("run ridge --alpha 0", "alpha = 0 is not allowed: it must be a number above 0"),
    ("run ridge --alpha -2", "alpha = -2 is not allowed: it must be a number above 0"),
    ("run ridge --alpha nan", "alpha = nan is not allowed: it must be a number above 0"),
    ("run ridge --alpha inf", "alpha = inf is not allowed: it must be a number above 0"),
    ("run ridge --alpha 1,-inf", "alpha = -inf is not allowed: it must be a number above 0"),
    ("run ridge --alpha 4:0.1:0", f"alpha = 4:0.1:0 is not a range: {RANGE}"),
    ("run ridge --alpha log:-1:1:5", "alpha = log:-1:1:5 is not a range: a geometric range must start above 0"),
    ("run ridge --alpha 1:2", "alpha = 1:2 cannot be read: write a number above 0, a list"),
    ("run ridge --alpha 1:2:3:4", "alpha = 1:2:3:4 cannot be read"),
    ("run ridge --alpha two", "alpha = two cannot be read"),
    ("run ridge --alpha 1 --dimension 2.5", "dimension = 2.5 is not allowed: it must be a whole number at least 1"),
    ("run ridge --alpha 1 --dimension 0", "dimension = 0 is not allowed: it must be a whole number at least 1"),
    ("run ridge --alpha 1 --unseen 2", "unseen = 2 is not allowed: it must be a number at least 0 and at most 1"),
    ("run ridge --alpha 1 --replicates 0", "replicates = 0 is not allowed: it must be a whole number of at least 1"),
    ("run ridge --alpha 1 --seed -1", "seed = -1 is not allowed: it must be a whole number of at least 0"),
    ("run ridge --alpha 1 --seed 1.5", "seed = 1.5 is not allowed: it must be a whole number of at least 0"),
    ("run ridge --alpha 1 --workers -1", "--workers"),
    ("run ridge --alpha 1 --workers two", "--workers"),
    ("check ridge --seed x", "seed = x is not allowed: it must be a whole number of at least 0"),
    ("run ridge --alpha 1 --shard 11/10", "shard = 11/10 is not allowed: it must be a number of a count, such as 3/10"),
    ("run ridge --alpha 1 --shard 0/10", "shard = 0/10 is not allowed: it must be a number of a count, such as 3/10"),
    ("run ridge --alpha 1 --shard x", "shard = x is not allowed: it must be a number of a count, such as 3/10"),
    ("run ridge --alpha 1 --shard 1/2 --json", "--shard 1/2 with --json needs a directory"),
    ("run ridge --alpha 1 --target-error 0.01", "target_error = 0.01 needs a cap: give max_replicates"),
    ("run ridge --alpha 1 --target-error 0 --max-replicates 9", "target_error = 0 is not allowed: it must be a number"),
    ("run ridge --alpha 1 --target-error x --max-replicates 9", "target_error = x is not allowed: it must be a number"),
    ("run ridge --alpha 1 --max-replicates 9", "max_replicates = 9 is the cap of a target: give target_error too"),
    (
        "run ridge --alpha 1 --target-error 0.01 --max-replicates 9",
        "max_replicates = 9 is not allowed: it must be a whole number of at least 20",
    ),
    ("run ridge --alpha 1 --timeout 0", "timeout = 0 is not allowed: it must be a number of seconds above 0"),
    ("run ridge --alpha 1 --timeout -1", "timeout = -1 is not allowed: it must be a number of seconds above 0"),
    ("run ridge --alpha 1 --timeout nan", "timeout = nan is not allowed: it must be a number of seconds above 0"),
    ("run ridge --alpha 1 --timeout soon", "timeout = soon is not allowed: it must be a number of seconds above 0"),
    ("run ridge --alpha 1 --executor slurm", "executor = slurm is unknown: it must be one of local, dask"),
    ("run ridge --alpha 1 --scheduler tcp://127.0.0.1:9", "scheduler = tcp://127.0.0.1:9 needs the executor dask"),
    ("merge out", "SHARD"),
    ("merge out nowhere", f"nowhere is not a run directory: it has no {FILE}"),
    ("run ridge --alpha 1e-300", "alpha = 1e-300 is not allowed: it must be at least 1e-100"),
    (
        "run ridge --alpha 1 --dimension 1e99",
        "dimension = 1e+99 is not allowed: it must be a whole number at least 1",
    ),
    ("run ridge --alpha 1 --spectrum power_law --dimension 1e12", "eigenvalues takes 8 TB of memory"),
    ("run ridge --alpha 1e99 --answers direct", "the training set of 4e+101 x 400 numbers takes 1.28e+93 TB of memory"),
    ("run gradient_flow --alpha 1 --dimension 1e12 --answers reduced", "a reduction to 1e+12 numbers takes 8 TB"),
    (
        "run online_sgd --dimension 1e12 --answers direct",
        "a network of 4 x 1000000000000 weights takes 32 TB",
    ),
    ("run online_sgd --student-units 1e9 --dimension 1e12", "student_units = 1000000000 is not allowed"),
    ("run online_sgd --duration 1e99", "one simulation would take 1e+102 steps: at most 1e+17 can be made"),
    (f"run ridge --alpha 1 --replicates 1{'0' * 20}", "replicates = 100000000000000000000 is not allowed: it must be"),
    (f"run ridge --alpha 1 --seed {DIGITS}", "seed = 999"),
    (f"run ridge --alpha 1 --shard 1/{DIGITS}", "shard = 1/999"),
    (f"run ridge --alpha {DIGITS}", "alpha = inf is not allowed"),
    (f"run ridge --alpha {NAME}", "alpha = xxx"),
    (
        "run ridge --alpha 1 --workers 100000",
        "workers = 100000 is not allowed: it must be a whole number",
    ),
    ("check ridge --workers 100000", "workers = 100000 is not allowed"),
    ("run ridge --alpha 1 --executor dask --scheduler tls://127.0.0.1:9", "scheduler = tls://127.0.0.1:9 needs certif"),
    # what is given twice, or is empty
    ("run ridge --alpha 1 --alpha 2", "--alpha is given 2 times: give it once"),
    ("run ridge --alpha 1 --dry_run --dry-run", "--dry-run is given 2 times: give it once"),
    ("export nowhere --out a.csv --out b.csv", "--out is given 2 times: give it once"),
    ("plot nowhere --together --apart", "--together is given 2 times: give it once"),
    ("run twice.toml", "teacher_weights is given twice, with a hyphen and with an underscore"),
    ("run gauge --level 1 --out=", "Invalid value for '--out': it is empty: give a name"),
    ("reproduce double_descent --runs=", "Invalid value for '--runs': it is empty: give a name"),
    # what is unknown, with the nearest
    ("run rigde --alpha 1", "rigde is neither a system nor an experiment: did you mean ridge?"),
    ("run double_decent", "double_decent is neither a system nor an experiment: did you mean double_descent?"),
    ("rnu ridge", "run"),
    ("check rigde", "system rigde is unknown: did you mean ridge?"),
    ("reproduce double_decent", "experiment double_decent is unknown: did you mean double_descent?"),
    ("run ridge --alpha 1 --nosie 1", "--noise"),
    ("run ridge --alpha 1 --spectrum isotropc", "isotropc"),
    ("run gauge --level 1 --fault rasie", "fault = rasie is not allowed: it must be one of none, raise"),
    ("run ridge --alpha 1 --answers thoery", "answer thoery is unknown: did you mean theory?"),
    ("run walk --answers reduced", "walk has no reduced answer"),
    ("run ridge --alpha 1 --spectrum two-level --answers reduced", "ridge has no reduced answer for an anisotropic"),
    ("run ridge", "ridge needs alpha (α): training examples per input dimension"),
    ("run ridge --alpha", "--alpha"),
    ("run ridge --alpha 1 2", "2"),
    ("run", "name a system"),
    # files
    ("run nowhere.toml", "nowhere.toml cannot be read: No such file or directory"),
    ("run malformed.toml", "malformed.toml is not a TOML file"),
    ("run nosystem.toml", "nosystem.toml must name its system"),
    ("run key.toml", "key.toml has an unknown key replicatse: did you mean replicates?"),
    ("run name.toml", "gauge has no parameter levle: did you mean level?"),
    ("run value.toml", "level = nan is not allowed: it must be a number at least -100 and at most 100"),
    ("run missing.toml", "nowhere.csv"),
    ("show malformed.toml", "malformed.toml is not a TOML file"),
    ("run ridge --alpha 1 --spectrum nowhere.csv", "is not allowed: it is none of isotropic, two_level, power_law"),
    ("run ridge --alpha 1 --spectrum text.csv", "row 2, column 2 holds 'four'"),
    ("run ridge --alpha 1 --spectrum first.csv", "row 1, column 1 holds 'x'"),
    ("run ridge --alpha 1 --spectrum nan.csv", "nan in row 2, column 2"),
    ("run ridge --alpha 1 --spectrum ragged.csv", "row 2 has 1 cells, the first row 2"),
    ("run ridge --alpha 1 --spectrum empty.csv", "spectrum = empty.csv"),
    ("run ridge --alpha 1 --spectrum header.csv", "spectrum = header.csv"),
    ("run ridge --alpha 1 --spectrum negative.csv", "eigenvalues must be at least 0"),
    ("run ridge --alpha 1 --spectrum wrong.xls", "its name must end in .csv, .tsv, .txt or .dat"),
    ("run ridge --alpha 1 --spectrum device.csv", "device.csv cannot be read: it is a device, not a file"),
    ("run online_sgd --inputs device.csv", "device.csv cannot be read: it is a device, not a file"),
    ("run ridge --alpha 1 --spectrum index.csv", "its first column (id) counts 0, 1, 2, ...: it may be an index"),
    ("run ridge --alpha 1 --spectrum good.csv --columns c", "no column has the name c (known: a, b)"),
    ("run ridge --alpha 1 --spectrum good.csv --columns 2", "there is no column 2: they are numbered 0 to 1"),
    ("run ridge --alpha 1 --columns 0", "columns = 0 has no effect with spectrum = isotropic"),
    ("run ridge --alpha 1 --standardise", "standardise = True has no effect with spectrum = isotropic"),
    ("run ridge --alpha 1 --eigenvalues 1e308", "eigenvalues[0] = 1e+308 is not allowed: it must be at most 1e+100"),
    ("run ridge --alpha 1 --eigenvalues 1,-1", "eigenvalues[1] = -1 is not allowed: it must be at least 0"),
    ("run ridge --alpha 1 --eigenvalues 1e-101", "the eigenvalues range from 1e-101 to 1e-101"),
    ("run ridge --alpha 1 --spectrum power-law --exponent 50", "exponent = 50 is not allowed with dimension = 400"),
    ("run gradient-flow --alpha 1 --eigenvalues 1,1e40", "the eigenvalues range from 1 to 1e+40"),
    ("run ridge --alpha 1 --spectrum wrong.npy", "spectrum = wrong.npy cannot be read"),
    ("run ridge --alpha 1 --spectrum wrong.parquet", "spectrum = wrong.parquet"),
    ("run ridge --alpha 1 --spectrum latin.csv", "spectrum = latin.csv cannot be read"),
    ("run ridge --alpha 1 --spectrum text.npy", "spectrum = text.npy cannot be read"),
    ("run ridge --alpha 1 --spectrum occupied", "spectrum = occupied"),
    ("run pipe.toml", "pipe.toml cannot be read: it is a pipe, not a file"),
    ("run zero.toml", "zero.toml cannot be read: it is a device, not a file"),
    ("show loop.toml", "loop.toml cannot be read: Too many levels of symbolic links"),
    ("run nested.toml", "nested.toml is not a TOML file that can be read: its values are nested too deeply"),
    ("run dotted.toml", "dotted.toml is not a TOML file that can be read: its values are nested too deeply"),
    ("run huge.toml", "huge.toml of 1000001 bytes is not allowed: it must have at most 1000000"),
    ("run escape.toml", r"spectrum = \u001b[31m.csv cannot be read: a file's name must be printable"),
    ("run key_escape.toml", r"key_escape.toml has an unknown key \u001b[31m: known: title"),
    (
        "run ridge --alpha 1 --spectrum \udcff.csv",
        r"spectrum = \udcff.csv cannot be read: a file's name must",
    ),
    ("run ridge --alpha \x1b[31m1", r"alpha = \u001b[31m1 cannot be read"),
    (f"run {NAME}.toml", "cannot be read: File name too long"),
    (f"run ridge --alpha 1 --spectrum {NAME}.csv", "spectrum = 'xxx"),
    # directories
    ("run gauge --level 1 --out loop", "the run directory loop cannot be used"),
    ("merge loop loop", "loop cannot be merged into itself"),
    ("reproduce --out pictures --runs loop double_descent", "--runs loop cannot be used: Too many levels of symbolic"),
    (f"show {NAME}", "is neither a run directory nor an experiment"),
    (f"export {NAME}", "is not a run directory"),
    (f"merge out {NAME}", "is not a run directory"),
    (f"run gauge --level 1 --out {NAME}", "run directory xxx"),
    (f"run gauge --level 1 --fresh --out {NAME}", "run directory xxx"),
    (f"reproduce double_descent --out {NAME}", "cannot be used: File name too long"),
    ("run gauge --level 1 --out a_file", "the run directory a file is a file: name a directory"),
    ("run gauge --level 1 --out a_file/below", "the run directory a file/below"),
    ("run gauge --level 1 --out occupied", "the directory occupied holds something that is not a run"),
    ("run gauge --level 1 --out occupied --fresh", "the directory occupied holds something that is not a run"),
    ("run gauge --level 1 --out text", f"text/{FILE}"),
    (f"run gauge --level 1 --out {'x' * 300}", "run directory xxx"),
    ("run gauge --level 1 --out /dev/null", "run directory /dev/null"),
    ("show occupied", f"occupied is not a run directory: it has no {FILE}"),
    ("show nowhere", "nowhere"),
    ("plot nowhere", f"nowhere is not a run directory: it has no {FILE}"),
    ("export nowhere", f"nowhere is not a run directory: it has no {FILE}"),
    ("export text", f"text/{FILE}"),
    ("reproduce --out a_file", "a file"),
    ("reproduce --out pictures --runs a_file double_descent", "a file"),
]


def state(directory: Path) -> dict[str, Any]:
    """Return all that lies in a directory, without following a link."""
    return {
        str(path): path.read_bytes() if path.is_file() and not path.is_symlink() else path.lstat().st_mode
        for path in directory.rglob("*")
    }


@pytest.mark.parametrize(("words", "says"), CASES, ids=[words[:60] for words, _ in CASES])
def test_bad_input_is_refused_in_one_line_and_nothing_is_written(words: str, says: str, tmp_path: Path) -> None:
    before = state(tmp_path)
    said = command(*(word.replace("a_file", "a file") for word in words.split()))
    assert said.out == ""
    assert said.code == 2, said.err
    (line,) = said.err.splitlines()
    assert line.startswith("tsmech: ")
    assert says in line
    assert "Traceback" not in line
    assert len(line) <= 420
    assert printable(line) == line
    assert state(tmp_path) == before


def test_options_of_finished_runs_are_checked_too(tmp_path: Path) -> None:
    carry_out(build("gauge", {"level": [1, 2]}, answers="theory"), Path("d")).close()
    before = state(tmp_path)
    for words, says in (
        ("plot d --x levle", "--x levle cannot be drawn: did you mean level?"),
        ("plot d --y sprad", "--y sprad cannot be drawn: did you mean spread?"),
        ("plot d --by fault", "--by fault"),
        ("plot d --x fault", "--x fault"),
        ("plot d --value noise", "--value noise cannot be drawn"),
        ("plot d --value spread", "--value spread needs two axes with several values each: the run has level"),
        ("plot d --value spread --x level --y level", "--x and y cannot both be level: a map needs two axes"),
        ("plot d --value spread --y luck", "--y luck cannot be drawn as an axis of a map"),
        ("plot d --out nowhere/picture.png", "nowhere"),
        ("plot d --out picture.v2", "--out picture.v2 cannot be written: a picture ends in .png, .svg, .pdf"),
        ("plot d --log z", "--log z is not allowed: it must be x, y, x,y or none"),
        ("export d --format xls", "--format xls is unknown: it must be one of csv, json, parquet"),
        ("export d --format parquet", "--format parquet needs a file: give --out FILE"),
        (
            "export d --out t.xls",
            "--out t.xls must end in .csv, .json, .parquet, .pq, .nc, .zarr, or --format say what it holds",
        ),
        ("export d --out t.json --format csv", "--out t.json ends as json does, and --format is csv: make them agree"),
        ("export d --out=", "Invalid value for '--out': it is empty: give a name"),
        (f"export d --out {'x' * 250}.csv", "cannot be written: File name too long"),
        (f"plot d --out {'x' * 250}", "cannot be written: File name too long"),
        ("export d --out /dev/null --format csv", "/dev/null is a device, which is not replaced"),
        ("export d --out nowhere/t.csv", "nowhere"),
        ("run gauge --level 3 --answers theory --out d", "d holds another experiment: level is"),
    ):
        said = command(*words.split())
        assert (said.code, said.out) == (2, ""), words
        (line,) = said.err.splitlines()
        assert says in line
        assert state(tmp_path) == before, words


def test_a_child_process_says_the_same(tmp_path: Path) -> None:
    before = state(tmp_path)
    said = run_child("run", "gauge", "--level", "4:0.1:0", cwd=tmp_path)
    assert said == (2, "", f"tsmech: level = 4:0.1:0 is not a range: {RANGE}\n")
    assert state(tmp_path) == before


def test_a_very_long_run_says_its_estimate_where_nobody_can_be_asked(tmp_path, unpainted):
    words = ("run", "online_sgd", "--duration", 1e-3, "--samples", 1, "--answers", "reduced", "--replicates", 1)
    with mock.patch.object(runs, "LONG_STEPS", 10.0):
        said = command(*words, "--dimension", 1_000_000, "--out", tmp_path / "run")
    assert said.code == 0
    assert "one simulation takes about 1e+03 steps, more than 1e+01" in said.err
