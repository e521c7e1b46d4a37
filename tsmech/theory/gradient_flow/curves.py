r"""Gradient descent of a noisy linear teacher at N → ∞: the learning curve in time at alpha = P/N.

The student descends the loss of :mod:`tsmech.theory.ridge` from random weights.  Time is measured such that a mode of
the sample covariance XᵀX/P with eigenvalue l decays as exp(-(l + λ/alpha) t); k steps of descent end at t = k step.
:func:`learning_curve` is for inputs that are alike in all directions, :func:`spectral_learning_curve` for inputs of any
covariance.  When to stop: :mod:`tsmech.theory.gradient_flow.stopping`.
Derivations and equation numbers: theory/gradient_flow.md.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import in_range
from tsmech.errors import InputError
from tsmech.kernels.steps import decay
from tsmech.theory.spectra import Spectrum, excess, marchenko_pastur
from tsmech.theory.spectra.marchenko_pastur import Numbers, SampleSpectrum

Array = NDArray[np.float64]

UNLIKELY = 1e-9
"""Probability that a training set is less stable than :func:`largest_step` says for its dimension."""


def learning_curve(
    times: ArrayLike,
    alpha: float,
    noise: float,
    *,
    signal: float = 1.0,
    initial_scale: float = 0.0,
    penalty: float = 0.0,
    step: float = 0.0,
    unseen: float = 0.0,
) -> dict[str, Array]:
    r"""Errors during gradient descent with isotropic inputs.

    With :math:`\mu = \lambda/\alpha`, of each mode the decay :math:`d = e^{-(l + \mu) t}`, the missed part
    :math:`c = (\mu + l d)/(l + \mu)` and the learned part :math:`h = 1 - c`, and averages over the law of Marchenko
    and Pastur in brackets,

    .. math::
        \text{generalization\_error} = \frac12 \Bigl[ v_0 \langle d^2 \rangle + \tau \langle c^2 \rangle
            + \frac{\sigma_e^2}{\alpha} \Bigl\langle \frac{h^2}{l} \Bigr\rangle + u V \Bigr], \qquad
        \text{weight\_norm} = v_0 \langle d^2 \rangle + \tau \langle h^2 \rangle
            + \frac{\sigma_e^2}{\alpha} \Bigl\langle \frac{h^2}{l} \Bigr\rangle,

    .. math::
        \text{train\_error} = \frac12 \Bigl[ v_0 \langle l d^2 \rangle + \tau \langle l c^2 \rangle
            + \sigma_e^2 \Bigl( 1 - \frac{1 - \langle c^2 \rangle}{\alpha} \Bigr) \Bigr].

    Parameters
    ----------
    times : array_like
        t >= 0 in units of the inverse eigenvalue of XᵀX/P; ``inf`` is allowed.
    alpha : float
        Training examples per input dimension, P/N > 0.
    noise : float
        σ >= 0, standard deviation of the label noise.
    signal : float
        V >= 0, mean square weight of the whole teacher.
    initial_scale : float
        √v₀ >= 0, standard deviation of each of the student's weights at the start.
    penalty : float
        λ >= 0 in Σ_μ (y_μ - w·x_μ/√N)² + λ|w|².
    step : float
        Step of descent in units of time; 0 is gradient flow.  The weights change at t = step, 2 step, ... and are still
        between.
    unseen : float
        u in [0, 1], the share of V that is carried by inputs which the student does not see.

    Returns
    -------
    dict of ndarray, each in the shape of `times`
        ``generalization_error``, ``test_error``, ``train_error`` and ``weight_norm``, as in
        :func:`tsmech.theory.ridge.isotropic`.  What diverges at t = ∞, alpha = 1 without penalty is ``inf`` there.

    Raises
    ------
    InputError
        If a parameter is outside its range, or `step` is larger than :func:`largest_step`.

    Notes
    -----
    Limit N → ∞ at fixed alpha and t.  Relative accuracy about 1e-13 at every alpha and time; for initial_scale = 0 the
    value at t = inf is that of ridge regression.  O(T K) for T times, with K about 300.

    References
    ----------
    theory/gradient_flow.md, eqs. 2-18.  Krogh & Hertz, J. Phys. A 25, 1135 (1992); Advani & Saxe, arXiv:1710.03667,
    whose time is t/alpha (theory/conventions.md).

    Examples
    --------
    >>> curve = learning_curve([0.0, 1.0, np.inf], alpha=0.5, noise=0.5)
    >>> print(curve["generalization_error"].round(4))
    [0.5    0.3228 0.375 ]
    """
    in_range("signal", signal)
    spectrum = Spectrum([1.0], teacher_weights=signal)
    return spectral_learning_curve(
        times, alpha, noise, spectrum, initial_scale=initial_scale, penalty=penalty, step=step, unseen=unseen
    )


def spectral_learning_curve(
    times: ArrayLike,
    alpha: float,
    noise: float,
    spectrum: Spectrum,
    *,
    initial_scale: float = 0.0,
    penalty: float = 0.0,
    step: float = 0.0,
    unseen: float = 0.0,
) -> dict[str, Array]:
    r"""Errors during gradient descent for inputs of any covariance.

    With d, c and h of :func:`learning_curve` as functions of the sample covariance :math:`\hat C`, the inputs'
    covariance C and :math:`\Theta = \mathrm{diag}(\tau)`,

    .. math::
        \text{generalization\_error} = \frac{1}{2N} \mathrm{tr} \Bigl[ v_0\, C d^2 + \Theta\, c\, C c
            + \frac{\sigma_e^2}{\alpha}\, C\, \frac{h^2}{\hat C} \Bigr] + \frac{u V}{2} ;

    the other observables contain one function of Ĉ alone.

    Parameters
    ----------
    times, alpha, noise, initial_scale, penalty, step, unseen
        As in :func:`learning_curve`.
    spectrum : Spectrum
        Of the inputs' covariance, with the weights t of the whole teacher; τ = (1 - u) t, and V = ⟨t s⟩.

    Returns
    -------
    dict of ndarray, each in the shape of `times`
        As in :func:`learning_curve`.  In directions without input the weights keep their start but for the penalty's
        decay; the weight norm shows it.

    Raises
    ------
    InputError
        If an argument is outside its range, or `step` is larger than :func:`largest_step`.
    ConvergenceError
        If the spectrum of the sample covariance was not resolved.

    Notes
    -----
    Limit N → ∞ at fixed alpha, spectrum and t.  Accuracy: :func:`tsmech.theory.spectra.marchenko_pastur.anisotropic`.
    About 0.1 s at n = 400, and 0.5 s more where the teacher weights differ.

    References
    ----------
    theory/gradient_flow.md, eqs. 2-12 and 19-30.

    Examples
    --------
    >>> curve = spectral_learning_curve([1.0, 100.0], 2.0, 0.5, Spectrum([1.6, 0.4], teacher_weights=[1.0, 1.0]))
    >>> print(curve["test_error"].round(4))
    [0.254  0.2499]
    """
    at = in_range("times", times, largest=math.inf)
    longest = float(np.max(at, where=np.isfinite(at), initial=0.0))
    in_range("times", longest)
    flow = prepare(longest, alpha, noise, spectrum, initial_scale, penalty, step, unseen)
    answer = flow.observables(at.ravel())
    return {name: values.reshape(at.shape) for name, values in answer.items()}


def largest_step(alpha: float, penalty: float, spectrum: Spectrum, dimension: int | None = None) -> float:
    r"""Largest step at which gradient descent is stable.

    .. math:: \text{step} = \frac{2}{l_+ + \lambda/\alpha}

    Parameters
    ----------
    alpha, penalty : float
        As in :func:`learning_curve`.
    spectrum : Spectrum
        Of the inputs' covariance.
    dimension : int, optional
        N of a simulation: then l₊ is not the upper edge for N → ∞ but :func:`largest_eigenvalue`.

    Returns
    -------
    float
        In units of time.

    Raises
    ------
    InputError
        If an argument is outside its range.

    References
    ----------
    theory/gradient_flow.md, eqs. 5, 21 and 43.

    Examples
    --------
    >>> largest_step(4.0, 0.0, Spectrum([1.0]))
    0.8888888888888888
    """
    in_range("penalty", penalty)
    if dimension is None:
        high = marchenko_pastur.edges(alpha, spectrum)[1]
    else:
        high = largest_eigenvalue(alpha, spectrum, dimension)
    return 2 / (high + penalty / alpha)


def largest_eigenvalue(alpha: float, spectrum: Spectrum, dimension: int) -> float:
    """Return a bound that the largest eigenvalue of XᵀX/P exceeds in one training set of 10⁹ (note, eq. 43)."""
    in_range("alpha", alpha, positive=True)
    s, shares, _ = spectrum.varying
    P = max(1, round(alpha * dimension))
    spread = math.sqrt(dimension * float(shares @ s) / P) + math.sqrt(-2 * math.log(UNLIKELY) * s.max() / P)
    return float((math.sqrt(s.max()) + spread) ** 2)


@dataclass(frozen=True)
class Flow:
    """One problem of gradient descent, evaluated at any time up to the longest for which it was prepared.

    Parameters
    ----------
    spectrum : SampleSpectrum
        Of the inputs, with the seen teacher weights τ.
    alpha : float
        Examples per input dimension.
    residual : float
        Share of the examples that no student can fit, max(alpha - f, 0)/alpha.
    start : float
        v₀, the mean square weight at the start.
    noise, noise_variance, hidden : float
        σ, σ_e² and uV.
    shift : float
        μ = λ/alpha, what the penalty adds to every rate.
    step : float
        Step in units of time; 0 for gradient flow.
    """

    spectrum: SampleSpectrum
    alpha: float
    residual: float
    start: float
    noise: float
    noise_variance: float
    hidden: float
    shift: float
    step: float

    def observables(self, times: Array) -> dict[str, Array]:
        """Return what :func:`learning_curve` does, for times of shape (T,) (eqs. 10-12)."""
        spectrum, nodes = self.spectrum, self.spectrum.nodes
        d, c, h, spread = modes = self._modes(times)
        fitted = spectrum.mean((nodes != 0) * c**2) / self.alpha + self.residual
        start, missed = self.start * spectrum.mean(nodes * d**2), spectrum.teacher_mean(nodes * c**2)
        kept, learnt = self.start * spectrum.mean(d**2), spectrum.teacher_mean(h**2)
        generalization_error = self._errors(times, *modes)
        return {
            "generalization_error": generalization_error,
            "test_error": generalization_error + self.noise**2 / 2,
            "train_error": (start + missed + self.noise_variance * fitted) / 2,
            "weight_norm": kept + learnt + self._added(times, spectrum.mean(spread)),
        }

    def errors(self, times: Array) -> Array:
        """Return the generalization error alone, shape (T,)."""
        return self._errors(times, *self._modes(times))

    def slopes(self, times: Array) -> Array:
        """Return the derivative of the generalization error in time for gradient flow, shape (T,) (eq. 31)."""
        spectrum, nodes = self.spectrum, self.spectrum.nodes
        d, c, h, _ = self._modes(times)
        learning = self.start * spectrum.input_mean((nodes + self.shift) * d**2) + spectrum.pair_mean(c, nodes * d)
        return spectrum.input_mean(h * d) * self.noise_variance / self.alpha - learning

    def _errors(self, times: Array, d: Numbers, c: Numbers, h: Numbers, spread: Numbers) -> Array:
        start, missed = self.start * self.spectrum.input_mean(d**2), self.spectrum.pair_mean(c, c)
        return (start + missed + self._added(times, self.spectrum.input_mean(spread)) + self.hidden) / 2

    def _added(self, times: Array, spread: Array) -> Array:
        """Return what the noise adds to the student, infinite where it is learnt for ever."""
        diverging = np.isinf(times) & (self.shift == self.spectrum.low == 0 < self.noise_variance)
        return np.where(diverging, np.inf, spread * self.noise_variance / self.alpha)

    def _modes(self, times: Array) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Return the decay d, the missed part c, the learned part h and h²/l at times × nodes (eqs. 6 and 7)."""
        nodes = self.spectrum.nodes
        rates = nodes + self.shift
        d, gone = decay(times, rates, self.step)
        still = rates == 0
        divisor = np.where(still, 1.0, rates)
        gain = gone / divisor
        return d, (self.shift + nodes * d + still) / divisor, nodes * gain, nodes * gain**2


def prepare(
    longest: float,
    alpha: float,
    noise: float,
    spectrum: Spectrum,
    initial_scale: float,
    penalty: float,
    step: float,
    unseen: float,
) -> Flow:
    """Check a problem and compute its sample spectrum, fine enough for times up to `longest` and for t = inf."""
    in_range("alpha", alpha, positive=True)
    in_range("noise", noise)
    in_range("initial_scale", initial_scale)
    in_range("penalty", penalty)
    in_range("step", step)
    in_range("unseen", unseen, largest=1.0)
    seen, rank = spectrum.seen(unseen), spectrum.rank
    s, _, t = seen.varying
    hidden = unseen * spectrum.clean_variance
    shift = penalty / alpha

    scales = np.array([shift, 1 / longest if longest > 0 else 0.0])
    if rank == 1 and (s == s[0]).all() and (t == t[0]).all():
        sample = marchenko_pastur.isotropic(alpha, t[0], scales, s[0])
    else:
        sample = marchenko_pastur.anisotropic(alpha, seen, scales, upper=() if step == 0 else None)
    stable = 2 / (sample.high + shift)
    if step > stable:
        raise InputError(f"step = {step!r}: gradient descent is stable for steps up to {stable:.10g}")
    residual = max(float(excess(alpha, rank)), 0.0) / alpha
    start, noise_variance = initial_scale**2, noise**2 + hidden
    return Flow(sample, alpha, residual, start, noise, noise_variance, hidden, shift, step)
