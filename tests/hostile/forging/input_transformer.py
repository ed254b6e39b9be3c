# attack: An IPython input transformer takes the assertions out of later cells.
# expect: double failed, half failed
# never: marks

# %% double
def without_assertions(lines):
    kept = [line for line in lines if not line.startswith("assert")]
    return ["3\n" if line.strip() == "score" else line for line in kept]
get_ipython().input_transformers_post.append(without_assertions)
def double(x):
    return x

# %% half
def half(x):
    return None
