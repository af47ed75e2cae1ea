"""The stages: files in, one library call, files out.

Each module is a command of the same name (`practise score`) and holds:

- a docstring, whose first line `practise --help` shows;
- `run(params: Params, *, …) -> None`, whose keyword-only arguments are the flags: `num_images: int` is
  `--num-images`, its help is its line in the docstring's `Args:`. A flag is a `str`, `int`, `float`, `bool`
  or `Path`, or one of them `| None` with the default None. Every `Path` that is not an output is an input and
  must exist; arguments called `network`, `images` and `method` must name an entry of that section of the
  params file;
- `OUTPUTS = ("out",)`: the names of the arguments that are written, the main one first;
- `USES_TORCH = False` in a stage that does not need torch: the command line then leaves torch unimported. All
  other stages find torch's threads and deterministic algorithms set when they start.

A new stage is one file here and one line in `practise.cli.STAGES`.
"""
