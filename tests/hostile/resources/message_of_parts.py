# attack: One kernel message of forty parts of twenty megabytes, each small enough for itself.
# expect: half passed|timed out|kernel died
# never: memory, hang, neighbour

# %% half
def half(x):
    return x / 2
kernel = get_ipython().kernel
kernel.session.send(kernel.iopub_socket, "stream", {"name": "stdout", "text": "a"},
                    parent=kernel.get_parent(), buffers=[b"x" * (20 << 20)] * 40)
