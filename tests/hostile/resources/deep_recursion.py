# attack: Recursion that overflows the C stack.
# expect: double kernel died|failed, half passed|failed
# never: neighbour, hang

# %% double
import sys
sys.setrecursionlimit(1 << 30)
def double(x):
    deep = lambda n: sorted([n], key=deep)
    return deep(x)
