# attack: The kernel's do_execute is replaced by one that always reports success.
# expect: double failed|kernel died, half failed|kernel died
# never: marks, hang

# %% double
async def fine(*args, **kwargs):
    return {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}
get_ipython().kernel.do_execute = fine
def double(x):
    return x
