"""An encoding model on made-up recordings: which network do the neurons resemble, and from how many stimuli is it seen?

A network of two layers learns a task.  Made-up neurons are noisy linear maps of the trained network's units.  A person
who does not know that fits linear maps from the units of candidate networks to the neurons: of the trained network, of
the same network before and during training, of another random one.  Such maps fit almost anything; what differs is
how much variance they explain, and that depends on the number of stimuli.  For each candidate
:class:`tsmech.LearningCurve` predicts the explained variance at any number of stimuli, with its standard error, from
the stimuli that were shown, and real fits are laid beside it.

    python examples/encoding_model.py [picture.png]

prints three tables and draws them (some minutes).  The ground truth is known: the trained network explains all that can
be explained.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import tsmech

INPUTS, UNITS, NEURONS, STIMULI = 15, 100, 8, 2000
NOISE = 0.3
"""Share of a neuron's variance that is noise: a map can explain 1 - NOISE of it."""
SNAPSHOTS = (0, 20, 40, 60, 90, 120, 250, 1000)
"""Steps of training after which the network is looked at."""
EXPERIMENTS = 16
"""Simulated experiments: stimuli that were shown, drawn anew from all that there are."""
SHOWN = (20, 28, 40, 60, 80, 120, 160, 240, 320, 480)
FOLDS = 5
"""Random fifths of the stimuli of one experiment on which fits to the others are measured."""
HALF = 3
"""Which of them is the network in the middle of its training."""
SIZES = (60, 80, 120, 160, 240, 320, 480, 640, 800, 1000)


def task(x: np.ndarray, teacher: np.ndarray) -> np.ndarray:
    """Return what the network has to learn: a product of three decisions, each along a direction of the stimulus."""
    return np.tanh(3.0 * x @ teacher.T).prod(axis=1)


def train(rng: np.random.Generator) -> tuple[list[np.ndarray], list[float], np.ndarray]:
    """Return the first layer before, during and after training, and the share of the task that each has learnt."""
    teacher = rng.standard_normal((3, INPUTS)) / np.sqrt(INPUTS)
    x_test = rng.standard_normal((3000, INPUTS))
    y_test = task(x_test, teacher)
    first = rng.standard_normal((UNITS, INPUTS)) / np.sqrt(INPUTS)
    second = np.zeros(UNITS)
    layers, learnt = [], []
    moments = [[np.zeros_like(first)] * 2, [np.zeros_like(second)] * 2]
    for step in range(SNAPSHOTS[-1] + 1):
        if step in SNAPSHOTS:
            layers.append(first.copy())
            learnt.append(1 - np.mean((np.tanh(x_test @ first.T) @ second - y_test) ** 2) / y_test.var())
        x = rng.standard_normal((500, INPUTS))  # new ones at each step
        units = np.tanh(x @ first.T)
        error = (units @ second - task(x, teacher)) / len(x)
        slopes = (error[:, None] * second * (1 - units**2)).T @ x, units.T @ error
        for place, (weights, slope) in enumerate(zip((first, second), slopes, strict=True)):
            mean, square = moments[place]
            mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
            moments[place] = [mean, square]
            scale = np.sqrt(square / (1 - 0.99 ** (step + 1))) + 1e-8
            weights -= 0.01 * mean / (1 - 0.9 ** (step + 1)) / scale
    return layers, learnt, rng.standard_normal((UNITS, INPUTS)) / np.sqrt(INPUTS)


def record(layer: np.ndarray, stimuli: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the responses of neurons that read the network's units, shape (stimuli, neurons)."""
    units = np.tanh(stimuli @ layer.T)
    clean = units @ rng.standard_normal((UNITS, NEURONS))
    clean /= clean.std(axis=0)
    return np.sqrt(1 - NOISE) * clean + np.sqrt(NOISE) * rng.standard_normal(clean.shape)


def write(path: Path, layer: np.ndarray, stimuli: np.ndarray, responses: np.ndarray) -> str:
    """Write a candidate's units and the neurons, a stimulus a row, as a person would have them."""
    units = np.tanh(stimuli @ layer.T)
    names = [f"unit_{i}" for i in range(UNITS)] + [f"neuron_{i}" for i in range(NEURONS)]
    pd.DataFrame(np.hstack([units, responses]), columns=names).to_csv(path, index=False)
    return str(path)


def explained(data: str, known: float | None, sizes: tuple[int, ...], answer: str, split: int = 0) -> np.ndarray:
    """Return the explained variance averaged over neurons at each size, and its standard error, shape (2, sizes)."""
    problem = tsmech.LearningCurve(
        data=data, target=("neuron_*",), penalty="best", known=known, split=split, held_out=0.5,
        fractions=[size / STIMULI for size in sizes],
    )  # fmt: skip
    curve = problem.curve(answer, split)
    mean = curve.observables["explained"].mean(axis=1)
    if answer == "theory":  # neurons see the same stimuli with noise of their own
        return np.stack([mean, np.sqrt((curve.errors["explained"] ** 2).sum(axis=1)) / NEURONS])
    return np.stack([mean, np.zeros_like(mean)])


def fitted(data: pd.DataFrame, path: Path) -> float:
    """Return the explained variance of real fits to the stimuli of one experiment, as one without theory finds it."""
    data.to_csv(path, index=False)
    error = [
        tsmech.LearningCurve(
            data=str(path), target=("neuron_*",), penalty="cross_validated", held_out=1 / FOLDS, split=fold,
            fractions=[1 - 1 / FOLDS],
        ).curve("direct", fold).observables["test_error"][0]
        for fold in range(FOLDS)
    ]  # fmt: skip
    return float(1 - (2 * np.mean(error, axis=0) / data.filter(like="neuron").to_numpy().var(axis=0)).mean())


def main(picture: str | None) -> None:
    rng = np.random.default_rng(0)
    layers, learnt, other = train(rng)
    stimuli = rng.standard_normal((STIMULI, INPUTS))
    responses = record(layers[-1], stimuli, rng)
    with tempfile.TemporaryDirectory() as folder:
        tables = [write(Path(folder, f"step_{s}.csv"), layer, stimuli, responses)
                  for s, layer in zip(SNAPSHOTS, layers, strict=True)]  # fmt: skip
        random = write(Path(folder, "random.csv"), other, stimuli, responses)
        trained, half = tables[-1], tables[HALF]
        curves = {
            name: (
                explained(data, None, SIZES, "theory"),
                np.mean([explained(data, None, SIZES, "direct", split)[0] for split in range(4)], axis=0),
            )
            for name, data in (("trained", trained), (f"after {SNAPSHOTS[HALF]} steps", half), ("random", random))
        }
        print("explained variance (predicted from 1000 stimuli, and of real fits) against the number of stimuli:")
        for name, (theory, real) in curves.items():
            for size, value, error, fit in zip(SIZES, *theory, real, strict=True):
                print(f"  {name:16s} {size:5d}  {value:6.3f} ± {error:.3f}  {fit:6.3f}")

        print(f"and at {SIZES[-1]} stimuli against the share of the task that the network has learnt:")
        by_task = []
        for step, share, data in zip(SNAPSHOTS, learnt, tables, strict=True):
            value, error = explained(data, None, SIZES[-1:], "theory")[:, 0]
            fit = float(np.mean([explained(data, None, SIZES[-1:], "direct", split)[0, 0] for split in range(4)]))
            by_task.append((share, value, error, fit))
            print(f"  {step:4d} steps  task {share:6.3f}  {value:6.3f} ± {error:.3f}  {fit:6.3f}")

        print(
            "the trained network before the random one, from so many stimuli that were shown: the difference\n"
            "in stated standard errors, in its scatter from one simulated experiment to the next, and that of\n"
            "real fits, cross-validated on the stimuli that were shown, in their scatter"
        )
        apart = []
        frames = [pd.read_csv(data) for data in (trained, random)]
        for shown in SHOWN:
            stated, differences, fits = [], [], []
            for split in range(EXPERIMENTS):
                own, rival = (
                    explained(data, shown / STIMULI, (shown,), "theory", split)[:, 0] for data in (trained, random)
                )
                differences.append(own[0] - rival[0])
                stated.append(differences[-1] / np.hypot(own[1], rival[1]))
                rows = np.random.default_rng(split).permutation(STIMULI)[:shown]
                fits.append(-np.diff([fitted(frame.iloc[rows], Path(folder, "shown.csv")) for frame in frames])[0])
            scatter, real = (np.mean(one) / np.std(one, ddof=1) for one in (differences, fits))
            apart.append((shown, np.mean(stated), scatter, real))
            print(f"  {shown:5d}  {np.mean(stated):6.1f}  {scatter:6.1f}  {real:6.1f}")
        for words, place in (("stated errors", 1), ("scatters", 2), ("scatters of real fits", 3)):
            told = next((i for i in range(len(SHOWN)) if min(one[place] for one in apart[i:]) > 2), None)
            where = {None: "beyond those tried", 0: f"from {SHOWN[0]} stimuli on or fewer"}
            print(f"two {words} lie between them {where.get(told, f'from about {SHOWN[told or 0]} stimuli on')}")
    if picture:
        draw(picture, curves, by_task, apart)


def draw(picture: str, curves: dict, by_task: list, apart: list) -> None:
    import matplotlib.pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    for place, (name, (theory, real)) in enumerate(curves.items()):
        colour, marker = ("#0072b2", "#d55e00", "#009e73")[place], "osD"[place]
        left.plot(SIZES, theory[0], color=colour, linestyle=("-", "--", ":")[place])
        left.fill_between(SIZES, theory[0] - theory[1], theory[0] + theory[1], color=colour, alpha=0.15, linewidth=0)
        left.plot(SIZES, real, marker, color=colour, markerfacecolor="none", label=name)
    left.axhline(1 - NOISE, color="0.5", linestyle=(0, (6, 3)), label="explainable")
    left.set(xscale="log", xlabel="stimuli", ylabel="explained variance of the neurons", ylim=(0, 0.8))
    left.legend(frameon=False, fontsize=8, loc="lower right")
    share, value, error, fit = np.array(by_task).T
    middle.errorbar(share, value, error, color="#0072b2", label="predicted")
    middle.plot(share, fit, "o", color="#0072b2", markerfacecolor="none", label="real fits")
    middle.axhline(1 - NOISE, color="0.5", linestyle=(0, (6, 3)))
    middle.set(xlabel="share of the task that the network has learnt", ylim=(0, 0.8))
    middle.legend(frameon=False, fontsize=8, loc="lower right")
    shown, stated, scatter, real = np.array(apart).T
    right.plot(shown, stated, color="#0072b2", label="predicted, in stated standard errors")
    right.plot(shown, scatter, "s", color="#d55e00", label="predicted, in scatter of experiments")
    right.plot(shown, real, "o", color="#d55e00", markerfacecolor="none", label="real fits, in their scatter")
    right.axhline(2, color="0.5", linestyle=":")
    right.set(xscale="log", yscale="log", xlabel="stimuli that were shown", ylabel="trained − random")
    right.legend(frameon=False, fontsize=8, loc="upper left")
    for ax, ticks in ((left, (60, 100, 200, 500, 1000)), (right, (20, 40, 100, 200, 500))):
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.xaxis.set_minor_formatter("")
    right.set_yticks((0.5, 1, 2, 5, 10, 20), ["0.5", "1", "2", "5", "10", "20"])
    right.yaxis.set_minor_formatter("")
    figure.suptitle("Made-up neurons that read a trained network: which network explains them, and when it is seen")
    figure.savefig(picture, dpi=150)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
