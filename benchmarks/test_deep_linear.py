"""Deep linear networks: every weight's descent beside NumPy and PyTorch at the same sizes, and predictions.

`pytest benchmarks/test_deep_linear.py --benchmark-group-by=group` prints each group with ratios to its fastest member.
PyTorch's rows are skipped, loudly, where it is not installed.
"""

import itertools

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tsmech import DeepLinear
from tsmech.sims.deep_network import Network, Task, random_layers, shapes
from tsmech.theory.deep_network import balanced_modes

TIMES = np.linspace(0, 10, 1000)
STEP = 0.01
STEPS = {16: 10_000, 100: 1000}


@pytest.fixture(autouse=True)
def one_core():
    """Linear algebra on one core on both sides, as in a worker."""
    with threadpool_limits(1):
        yield


def start(width, depth=3):
    layers = random_layers(shapes(depth, width, width, width), 0.5, width, np.random.default_rng(0))
    targets = np.zeros((width, width))
    targets[[0, 1, 2], [0, 1, 2]] = 3.0, 2.0, 1.0
    return layers, targets


def train_here(width):
    layers, targets = start(width)
    network = Network(layers, Task(targets))
    network.descend(STEP, STEPS[width])
    return network.output()


def train_in_numpy(width):
    (one, two, three), targets = start(width)
    for _ in range(STEPS[width]):
        below = two @ one
        missing = targets - three @ below
        back = three.T @ missing
        one, two, three = one + STEP * two.T @ back, two + STEP * back @ one.T, three + STEP * missing @ below.T
    return three @ two @ one


def train_in_torch(width):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    layers, targets = start(width)
    weights = [torch.tensor(one, requires_grad=True) for one in layers]
    wanted = torch.tensor(targets)
    descent = torch.optim.SGD(weights, lr=STEP)
    for _ in range(STEPS[width]):
        descent.zero_grad()
        loss = ((weights[2] @ weights[1] @ weights[0] - wanted) ** 2).sum() / 2
        loss.backward()
        descent.step()
    return (weights[2] @ weights[1] @ weights[0]).detach().numpy()


@pytest.mark.benchmark(
    group="depth 3, 10 000 steps at width 16 (targets: < 0.1 s, 5 x PyTorch), 1000 at width 100 (target: PyTorch)"
)
@pytest.mark.parametrize("width", [16, 100])
@pytest.mark.parametrize("what", ["tsmech", "numpy", "torch"])
def test_network(benchmark, what, width):
    train = {"tsmech": train_here, "numpy": train_in_numpy, "torch": train_in_torch}[what]
    if what == "torch":
        pytest.importorskip("torch")
    found = benchmark.pedantic(train, (width,), rounds=3, warmup_rounds=1)
    benchmark.extra_info["us_per_step"] = 1e6 * benchmark.stats.stats.min / STEPS[width]
    assert found[0, 0] == pytest.approx(3.0, rel=1e-3)


@pytest.mark.benchmark(group="one answer of direct at width 16, depth 3, 10 000 steps, 100 reports (target: < 0.1 s)")
def test_direct_answer(benchmark):
    system = DeepLinear(width=16, inputs=16, outputs=16, depth=3, step=0.001, initial_strengths=0.01)
    curve = benchmark.pedantic(system.curve, ("direct", 0), rounds=3, warmup_rounds=1)
    assert curve.rows == 101


@pytest.mark.benchmark(group="theory of three modes at 1000 times (targets: depth 2 < 2 ms, others < 10 ms)")
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_theory(benchmark, depth):
    benchmark(balanced_modes, TIMES, [3.0, 2.0, 1.0], 1e-3, depth)


@pytest.mark.benchmark(group="whole prediction at 1000 times (targets: depth 2 < 2 ms, others < 10 ms)")
@pytest.mark.parametrize(
    ("start", "depth"),
    [("unbalanced", 2), *itertools.product(["balanced", "orthogonal", "noisy", "noisier", "sharp"], [2, 3, 5, 8])],
)
def test_prediction(benchmark, start, depth):
    noise = {
        "noisy": {"alpha": 2.0, "noise": 0.3},
        "noisier": {"alpha": 1.0, "noise": 0.4, "duration": 30.0},
        "sharp": {"alpha": 1.0, "noise": 1.0, "duration": 100.0, "initial_strengths": 1e-6},
    }
    more = noise.get(start, {"initial": start, "initial_scale": 1.0})
    system = DeepLinear(samples=999, start_seed=0, depth=depth, **more)
    curve = benchmark(system.theory_curve)
    assert curve.rows == 1000
