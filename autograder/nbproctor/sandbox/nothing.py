"""A target that ends at once: whether a sandbox can be had is found out by making one."""


def main(arguments: object, descriptors: list[int]) -> None:
    """Do nothing."""
