"""The section `evaluate` of a params file: how accuracy is measured."""

from practise.schema import Count, Section, setting


class EvaluateParams(Section):
    """How accuracy is measured."""

    batch_size: Count = setting(32, "Images in a forward pass.")
