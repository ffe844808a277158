"""The command line of the programs that time CMA-ES on a function."""

import argparse

from function_cases import CASES


def cma_parser(description: str | None) -> argparse.ArgumentParser:
    """Function, dimension, population, generations, and how often."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--function", required=True, choices=CASES)
    parser.add_argument("--dimension", type=int, required=True)
    parser.add_argument("--population", type=int, required=True)
    parser.add_argument("--generations", type=int, required=True)
    parser.add_argument("--searches", type=int, default=1, help="in a run, from different starts")
    parser.add_argument(
        "--repeats", type=int, help="run so often; without it, once a line of stdin"
    )
    return parser
