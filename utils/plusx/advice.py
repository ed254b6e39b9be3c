"""What learners' mistakes raise, in words: which line of thought to look at again.

torch's own messages are exact and speak of insides. A sentence stands here for what commonly
causes each; the message itself is shown beside it.
"""

import re

__all__ = ["advice", "advice_on_value"]

RETURN = "something is None: does a function end without `return`, or return what gives None?"
CALL = "a module or function is used where a tensor is needed: call it, as in layer(x)"
TUPLE = "a tuple is used where one value is needed: return that value alone"
NUMPY = "a NumPy array is used where a tensor is needed: torch has the same functions, stay with it"
SHAPES = (
    "two shapes do not fit: print the shape of each tensor in this line, and compare with the "
    "docstring; is a layer made for other sizes, a stride forgotten, an axis the wrong one?"
)
DEVICE = (
    "tensors stand on different devices: one is made without device=, or moved by .cpu() or "
    ".cuda(); take the device from the input, as in torch.zeros(n, device=x.device)"
)
DTYPE = (
    "number types differ: one tensor is made without dtype=, or changed by .float(); take the type "
    "from the input, as in torch.zeros(n, dtype=x.dtype)"
)
IN_PLACE = (
    "a tensor that is still needed is changed in place: write x = x + y for x += y, and F.relu(x) "
    "for F.relu_(x) or inplace=True"
)

PLAIN = "int|float|complex|bool|str|list|dict|Tensor"  # the beginnings of names
LAYERS = r"Linear|Conv\dd|Sequential|ModuleList|BatchNorm\dd|LayerNorm|ReLU|method|function|type"

# From the special to the general: the first that is found in "kind: message" counts.
SENTENCES = {
    r"before Module\.__init__\(\) call|no attribute '_(modules|parameters|buffers)'": (
        "nothing can be put into a module before it is set up: make super().__init__() the first "
        "line of __init__"
    ),
    r"missing the required \"forward\" function": (
        "the module has no `forward`: is it spelled so, and indented as a method of the class?"
    ),
    r"^NotImplementedError: $": "not answered yet: replace the line that raises this error",
    r"in-?place": IN_PLACE,
    r"same device|not on the expected device|compiled with CUDA|NVIDIA|meta tensor|backend": DEVICE,
    r"same dtype|scalar type|dtypes?\b.*\bbut|not implemented for '\w+'": DTYPE,
    rf"combination of arguments - got \((?!Tensor|{PLAIN}|NoneType|tuple|numpy)": CALL,
    r"combination of arguments - got \(Tensor": (
        "the call gets other arguments than it takes: compare each with what the message lists"
    ),
    r"numpy|ndarray": NUMPY,
    r"NoneType": RETURN,
    r"not tuple|'tuple'|concatenate tuple": TUPLE,
    rf"must be Tensor, not (?!{PLAIN})|operand .*'(?!{PLAIN})\w+' and 'Tensor'"
    rf"|operand .*'Tensor' and '(?!{PLAIN})\w+'|'({LAYERS})'": CALL,
    r"cannot be multiplied|must match|size mismatch|expected input.* to have|is invalid for input"
    r"|not broadcastable|normalized_shape|should contain \d+ elements|expected \d+D|expected size"
    r"|given groups|same number of dimensions": SHAPES,
    r"does not require grad": (
        "the gradient cannot get through: is there a .detach(), .item(), torch.no_grad() or "
        "torch.tensor(...) on its way?"
    ),
    r"backward through the graph a second time": (
        "the same graph is walked twice: compute the output anew, or ask for retain_graph=True"
    ),
    r"required positional argument|positional arguments? but|unexpected keyword": (
        "a call and a definition disagree about the arguments: compare with the docstring"
    ),
    r"appears? to not have been used in the graph": (
        "a tensor got no gradient: is every step from it to the result in the graph?"
    ),
    r"^NameError": "a name is not known: is it spelled so, and were the cells above run?",
    r"^IndexError": "a place does not exist: places count from 0; how many are there?",
    r"values to unpack|cannot unpack": (
        "another number of values comes than is taken: what does the docstring return?"
    ),
    r"has no attribute": (
        "the object is of another kind than this line takes it for: what does the docstring "
        "return, and what was assigned to it?"
    ),
}


def advice(error: BaseException) -> str:
    """What to look at again after an error; "" where nothing is known."""
    kind = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins")
    text = f"{kind}: {error}"
    found = (words for pattern, words in SENTENCES.items() if re.search(pattern, text, re.I))
    return next(found, "")


def advice_on_value(value: object, wanted: str) -> str:
    """What to look at again where a `wanted`, a kind of value, was needed; "" if unknown."""
    if value is None:
        return "None comes back: is the last line a `return`?"
    if isinstance(value, tuple):
        return TUPLE
    if type(value).__module__.partition(".")[0] == "numpy":
        return NUMPY
    return CALL if wanted == "Tensor" and callable(value) else ""
