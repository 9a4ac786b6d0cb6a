"""MGAIL's update in other libraries, to be timed beside ours: `launch/benchmark.py --peers`.

The arithmetic is written once; PyTorch and JAX bring their own differentiation, optimisers and
loops. Both start with an agent's weights and batches and must end where it ends, so what is timed
is the same work. Needs the extra `peers`; continuous actions only.
"""
