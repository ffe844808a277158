"""Equations in a terminal: LaTeX turned into Unicode, as far as a line can hold it."""

from __future__ import annotations

import re
import unicodedata

# Names and what they look like, in turn.
_SYMBOLS = """
alpha α  beta β  gamma γ  delta δ  epsilon ε  varepsilon ε  zeta ζ  eta η  theta θ  kappa κ
lambda λ  mu μ  nu ν  xi ξ  pi π  rho ρ  sigma σ  tau τ  phi φ  varphi φ  chi χ  psi ψ
omega ω  Gamma Γ  Delta Δ  Theta Θ  Lambda Λ  Sigma Σ  Phi Φ  Psi Ψ  Omega Ω  nabla ∇
partial ∂  sum Σ  prod Π  int ∫  infty ∞  leftarrow ←  rightarrow →  to →  mapsto ↦
Rightarrow ⇒  sim ~  approx ≈  propto ∝  le ≤  leq ≤  ge ≥  geq ≥  ne ≠  neq ≠  in ∈  cdot ·
times ×  pm ±  mid |  vert |  Vert ‖  lVert ‖  rVert ‖  ell ℓ  top ᵀ  dots …  ldots …
cdots …  circ ∘  odot ⊙  cup ∪  cap ∩  langle ⟨  rangle ⟩  lfloor ⌊  rfloor ⌋  forall ∀  exists ∃
prime ′  star *  ast *
"""
SYMBOLS: dict[str, str] = dict(zip(_SYMBOLS.split()[::2], _SYMBOLS.split()[1::2], strict=True))
ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307", "ddot": "\u0308"}
SUBSCRIPTS = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")
SUPERSCRIPTS = str.maketrans("0123456789+-n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ")
GROUP = r"\{([^{}]*)\}"


def terminal_math(latex: str) -> str:
    r"""One line of Unicode for one line of LaTeX.

    Fractions become `a / b`, `\frac1N` becomes `1/N`; what it does not know stays readable as its
    bare name.
    """
    text = latex.replace(r"\{", "⦃").replace(r"\}", "⦄")
    text = re.sub(
        r"\\[bB]igg?[lrm]?\b|\\(left|right)(?![a-z])|\\limits|\\(display|text)style", "", text
    )
    text = re.sub(r"\\(qquad|quad)\b", "\u2003", text)
    text = re.sub(r"\\[,;: ]|~", " ", text).replace(r"\!", "").replace(r"\|", "‖")
    text = re.sub(r"\\frac\s*([\w])\s*([\w])", r"\1/\2", text)
    text = re.sub(r"\\(hat|bar|tilde|dot|ddot)(?![A-Za-z])\s*(\\\w+|\w)", r"\\\1{\2}", text)
    text = re.sub(r"\\(mathcal|mathbb|mathbf|mathrm|boldsymbol)\s+(\w)", r"\2", text)
    before = ""
    while before != text:  # from the innermost braces outwards
        before = text
        text = re.sub(
            r"\\(operatorname\*?|text|textrm|mathcal|mathbb|mathbf|mathrm|boldsymbol)" + GROUP,
            r"\2",
            text,
        )
        text = re.sub(r"\\(hat|bar|tilde|dot|ddot)" + GROUP, _accent, text)
        text = re.sub(r"\\sqrt" + GROUP, r"√(\1)", text)
        text = re.sub(r"\\d?frac\s*" + GROUP + r"\s*" + GROUP, _fraction, text)
        text = re.sub(r"([_^])" + GROUP, _script, text)
        if before == text:
            text = re.sub(GROUP, r"\1", text)
    text = re.sub(r"([_^])([0-9])", _script, text)
    text = re.sub(r"_(\\\w+|\w)(?=\^)", r"_\1", text)
    text = re.sub(r"\\([A-Za-z]+)", lambda m: SYMBOLS.get(m.group(1), f"{m.group(1)} "), text)
    text = re.sub(r"\b(log|min|max|exp|lim|arg|clip|sin|cos|tan|Var|Cov) +(?=[(\[_])", r"\1", text)
    text = text.replace("⦃", "{").replace("⦄", "}").replace("\\", "")
    return _spaces(text)


def _spaces(text: str) -> str:
    text = re.sub(r" +", " ", text)
    text = re.sub(r" ?\u2003 ?", "   ", text)
    text = re.sub(r"([(\[]) +", r"\1", text)
    return re.sub(r" +([)\],])", r"\1", text).strip()


def _accent(match: re.Match[str]) -> str:
    inner = re.sub(r"\\(\w+)", lambda m: SYMBOLS.get(m.group(1), m.group(1)), match.group(2))
    return unicodedata.normalize("NFC", inner[:1] + ACCENTS[match.group(1)] + inner[1:])


def _fraction(match: re.Match[str]) -> str:
    above, below = (_bracket(part) for part in match.groups())
    return f" {above} / {below} "


def _bracket(text: str) -> str:
    text = text.strip()
    return f"({text})" if re.search(r"[ +\-/]", text) else text


def _script(match: re.Match[str]) -> str:
    mark, text = match.groups()
    table = SUBSCRIPTS if mark == "_" else SUPERSCRIPTS
    text = text.strip()
    if text == "\\top":
        return "ᵀ"
    changed = text.translate(table)
    if all(ord(old) != new for old, new in zip(text, map(ord, changed), strict=True)) and text:
        return changed
    simple = re.fullmatch(r"\\?\w+", text)
    return f"{mark}{text}" if simple else f"{mark}⦅{text}⦆".replace("⦅", "(").replace("⦆", ")")
