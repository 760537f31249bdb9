"""The situations that bring about each reason, for real, and what a person then reads.

``SPEC``: a wish that cannot be served; ``PODS``: what a kubelet finds; ``CLUSTER``: scenes with several acts.
"""
