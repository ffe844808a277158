"""`upslope list estimators` and `upslope show ESTIMATOR`: every one, with what it declares."""

import pytest

from upslope.cli.estimator_cards import estimators
from upslope.cli.main import main
from upslope.diagnostics.check_estimators import POPULATION_ESTIMATORS
from upslope.estimators import TRAJECTORY_ESTIMATORS


def test_all_estimators_of_both_families_are_listed(capsys):
    assert main(["list", "estimators"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert names == [*TRAJECTORY_ESTIMATORS.names(), *POPULATION_ESTIMATORS]
    assert all(len(line.split()) > 2 for line in lines)


@pytest.mark.parametrize("name", estimators().names())
def test_a_card_says_what_is_estimated_and_whether_without_bias(name, capsys):
    # A method of the same name is shown first.
    assert main(["show", name]) == 0
    text = capsys.readouterr().out
    declaration = estimators().get(name)().declaration
    assert "BiasStatement" in text
    assert f"  estimates  {declaration.estimand}" in text
    assert f"  unbiased   {'yes' if declaration.unbiased else 'no'}" in text
    assert " ".join(declaration.reason.split()) in " ".join(text.split())
    assert "References" in text
    assert max(map(len, text.splitlines())) <= 100


def test_what_an_estimator_must_be_given_is_said(capsys):
    main(["show", "vtrace"])
    assert "  needs      critic, behaviour" in capsys.readouterr().out


def test_the_nearest_estimator_is_offered(capsys):
    assert main(["show", "td-eror"]) == 2
    assert "Did you mean 'td-error'?" in capsys.readouterr().err
