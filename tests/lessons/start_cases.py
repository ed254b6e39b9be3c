"""Wrong and honest answers to the one exercise of lesson 00, start."""

from cases import Mutant, Variant

LINE = "return f(x) + x"


def mutant(name: str, says: str, line: str) -> Mutant:
    return Mutant("add_skip", name, ((LINE, line),), says)


def variant(name: str, line: str) -> Variant:
    return Variant("add_skip", name, ((LINE, line),))


MUTANTS = [
    mutant("no skip", "the skip is missing", "return f(x)"),
    mutant("no function", "F is missing", "return x"),
    mutant("a difference", "taken away", "return f(x) - x"),
    mutant("twice", "goes around f twice", "return f(f(x) + x) + x"),
    mutant("the skip inside", "to the input of f", "return f(x + x)"),
    mutant("nothing returned", "tensor", "f(x) + x"),
    mutant("single precision", "dtype", "return (f(x) + x).float()"),
    mutant("in place", "in place", "x += f(x)\n    return x"),
]
VARIANTS = [
    variant("x first", "return x + f(x)"),
    variant("torch.add", "import torch\n\n    return torch.add(x, f(x))"),
    variant("a branch with a name", "branch = f(x)\n    return branch.add(x)"),
]
