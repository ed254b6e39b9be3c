# attack: builtins.compile is replaced by one that optimises assertions away.
# expect: double failed, half passed
# never: marks

# %% double
import builtins
real = builtins.compile
def compile_quietly(source, filename, mode, flags=0, dont_inherit=False, optimize=-1, **more):
    return real(source, filename, mode, flags, dont_inherit, 1, **more)
builtins.compile = compile_quietly
def double(x):
    return x
