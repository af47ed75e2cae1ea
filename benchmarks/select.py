"""Does a better search for the set of blocks pay, at the same target and with the same recovery?

    python -m benchmarks.select

`lowest` is the paper's: the lowest R / tau until the target is met. `knapsack` takes the least sum of R.
`progressive` scores again after each drop.
"""

from benchmarks.case import Case, ask, main, one_cell
from benchmarks.variants import publish_variants

SEARCHES = ("lowest", "knapsack", "progressive")


def run() -> None:
    """Run the three searches on the same images."""
    asked = ask(__doc__.partition("\n")[0])
    methods = {
        search: {
            "criterion": "recoverability",
            "loss": "mimic",
            "preset": "default",
            "select": {"search": search},
        }
        for search in SEARCHES
    }
    case = Case("select", asked, {"methods": methods, "grid.methods": list(SEARCHES)} | one_cell(asked))
    publish_variants(
        case, "select", "Three searches for the blocks to drop", {search: search for search in SEARCHES}, []
    )


if __name__ == "__main__":
    main(run)
