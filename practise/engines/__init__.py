"""What DVC and Snakemake share: the pipeline in dvc.yaml, and the commands that keep both engines together.

Nothing here computes a result, and no stage knows which engine started it.
"""

from practise.errors import PractiseError


class EngineError(PractiseError):
    """An engine that cannot go on, or a params file that does not belong to the pipeline beside it."""
