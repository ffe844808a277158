"""The stabilising solution of the discrete algebraic Riccati equation, and its derivatives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.dense_systems import solve
from upslope.exact.linear_loop import symmetric
from upslope.exact.linear_quadratic import sum_of_powers

# Doublings of the horizon: 2^40 steps.
DOUBLINGS = 40


@jax.custom_jvp
def discrete_riccati(
    A: Float[Array, "n n"],
    B: Float[Array, "n m"],
    Q: Float[Array, "n n"],
    R: Float[Array, "m m"],
    N: Float[Array, "n m"],
) -> Float[Array, "n n"]:
    r"""P, for which A + B K has all its eigenvalues within the unit circle.

    .. math:: P = Q + A^\top P A - (N + A^\top P B)(R + B^\top P B)^{-1}(N + A^\top P B)^\top

    By the structure-preserving doubling algorithm: k doublings are the finite horizon of 2^k
    steps, and the error falls quadratically. The derivatives are those of the implicit function,
    of any order and in both modes: dP is the sum over t of F^t' dE F^t with F = A + B K and dE the
    change of the right-hand side at P. LAPACK is not called, so that it may be vmapped.

    NaN, or a P that does not stabilise, where there is none: `check_regulator` says why.

    Args:
      A: transition. For a discount gamma, sqrt(gamma) A.
      B: control. For a discount gamma, sqrt(gamma) B.
      Q: cost of states; its symmetric part counts.
      R: cost of controls, positive definite; its symmetric part counts.
      N: cross term of the cost, x'Qx + u'Ru + 2 x'Nu.

    References:
      Chu, Fan, Lin and Wang (2004), algorithm SDA; Kao and Hennequin (2020), "Automatic
      differentiation of Sylvester, Lyapunov, and algebraic Riccati equations".
    """
    Q, R = symmetric(Q), symmetric(R)
    # The cross term is taken out by u = v - R^-1 N' x.
    found = solve(R, jnp.concatenate([B.T, N.T], axis=1))
    step, back = found[:, : A.shape[0]], found[:, A.shape[0] :]
    eye = jnp.eye(A.shape[0], dtype=A.dtype)

    def double(
        carry: tuple[Array, Array, Array], _: None
    ) -> tuple[tuple[Array, Array, Array], None]:
        a, g, h = carry
        both = solve(eye + g @ h, jnp.concatenate([a, g], axis=1))
        ahead, pushed = both[:, : a.shape[0]], both[:, a.shape[0] :]
        return (
            a @ ahead,
            symmetric(g + a @ pushed @ a.T),
            symmetric(h + a.T @ h @ ahead),
        ), None

    start = (A - B @ back, symmetric(B @ step), symmetric(Q - N @ back))
    return jax.lax.scan(double, start, length=DOUBLINGS)[0][2]


@discrete_riccati.defjvp
def _derivative(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    A, B, Q, R, N = primals
    dA, dB, dQ, dR, dN = tangents
    P = discrete_riccati(A, B, Q, R, N)
    K = riccati_gain(A, B, R, N, P)
    F = A + B @ K
    # At the best K its own change does not count.
    change = symmetric(dQ) + K.T @ symmetric(dR) @ K
    half = (dA + dB @ K).T @ P @ F + dN @ K
    return P, sum_of_powers(F.T, change + half + half.T)


def riccati_gain(A: Array, B: Array, R: Array, N: Array, P: Array) -> Float[Array, "m n"]:
    r"""The gain of u = K x against the cost to go P: minus (R + B'PB)^-1 (N' + B'PA)."""
    return -solve(symmetric(R) + B.T @ P @ B, N.T + B.T @ P @ A)


def riccati_step(
    A: Array, B: Array, Q: Array, R: Array, N: Array, P: Array
) -> tuple[Float[Array, "n n"], Float[Array, "m n"]]:
    """The right-hand side of the Riccati equation at P: the cost to go one step before; its K."""
    K = riccati_gain(A, B, R, N, P)
    return symmetric(symmetric(Q) + A.T @ P @ A + (N + A.T @ P @ B) @ K), K
