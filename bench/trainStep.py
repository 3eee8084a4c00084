"""A dense JumpReLU training step in eager PyTorch, served over stdin and stdout, one JSON object a line.

{"kind": "written" or "tuned", "setup": {...}} loads weights and a batch from raw float32 files; {"steps": n, ...} takes n steps and answers their wall
time and the loss terms before each update. The step is the one that Hooke takes: mean squared error and the quadratic
penalty about the target L0, straight-through thresholds (arXiv:2407.14435), Adam with betas (0, 0.999), the decoder's
gradient projected off its rows, rows back to unit norm.

Twice: `Written` is the step as one writes it down, line by line as the formulas stand, as SAE libraries do. `Tuned` is as fast
as we could make it in eager mode: the decoder's bias enters through the encoder's (one product less), masks are saved instead
of recomputed, thresholds' gradients are gathered where there are any, and what can be done in place is.
"""

import ctypes
import json
import os
import re
import sys
import time

import torch


class JumpReLU(torch.autograd.Function):
    """acts = pre (pre > threshold) and l0, the mean number of active latents."""

    @staticmethod
    def forward(ctx, pre, threshold, bandwidth):
        active = pre > threshold
        ctx.save_for_backward(pre, threshold, active)
        ctx.bandwidth = bandwidth
        return pre * active, torch.count_nonzero(active) / pre.shape[0]

    @staticmethod
    def backward(ctx, g_acts, g_l0):
        pre, threshold, active = ctx.saved_tensors
        # The rectangle kernel is nonzero at so few places that gathering them is the fastest.
        near = (pre.sub(threshold).abs_() < ctx.bandwidth / 2).nonzero(as_tuple=True)
        latents = near[1]
        pull = threshold[latents] * g_acts[near] + g_l0 / pre.shape[0]
        g_threshold = torch.zeros_like(threshold).index_add_(0, latents, pull / -ctx.bandwidth)
        return g_acts.mul_(active), g_threshold, None


def rectangle(pre, threshold, bandwidth):
    return ((pre - threshold).abs() < bandwidth / 2).to(pre.dtype)


class Jump(torch.autograd.Function):
    """acts = pre H(pre - threshold)."""

    @staticmethod
    def forward(ctx, pre, threshold, bandwidth):
        ctx.save_for_backward(pre, threshold)
        ctx.bandwidth = bandwidth
        return pre * (pre > threshold)

    @staticmethod
    def backward(ctx, g):
        pre, threshold = ctx.saved_tensors
        window = rectangle(pre, threshold, ctx.bandwidth)
        return g * (pre > threshold), (-(threshold / ctx.bandwidth) * window * g).sum(0), None


class Step(torch.autograd.Function):
    """H(pre - threshold)."""

    @staticmethod
    def forward(ctx, pre, threshold, bandwidth):
        ctx.save_for_backward(pre, threshold)
        ctx.bandwidth = bandwidth
        return (pre > threshold).to(pre.dtype)

    @staticmethod
    def backward(ctx, g):
        pre, threshold = ctx.saved_tensors
        return None, (-rectangle(pre, threshold, ctx.bandwidth) / ctx.bandwidth * g).sum(0), None


class Tuned:
    def __init__(self, d_in, d_sae, batch_size, folder, bandwidth, l0, adam_eps):
        def load(name, *shape):
            with open(os.path.join(folder, name), "rb") as file:
                return torch.frombuffer(bytearray(file.read()), dtype=torch.float32).reshape(shape)

        self.x = load("x", batch_size, d_in)
        self.W_dec = load("W_dec", d_sae, d_in).requires_grad_()
        # The engine keeps W_enc transposed; here it lies as PyTorch's users have it.
        self.W_enc = load("W_enc", d_sae, d_in).t().contiguous().requires_grad_()
        self.b_enc = load("b_enc", d_sae).requires_grad_()
        self.b_dec = load("b_dec", d_in).requires_grad_()
        self.threshold = load("threshold", d_sae).requires_grad_()
        self.bandwidth, self.l0 = bandwidth, l0
        weights = [self.W_enc, self.W_dec, self.b_enc, self.b_dec]
        groups = [{"params": weights}, {"params": [self.threshold]}]
        self.optimiser = torch.optim.Adam(groups, betas=(0, 0.999), eps=adam_eps)

    def forward(self):
        """(mse, l0) of the batch."""
        pre = torch.addmm(self.b_enc - self.b_dec @ self.W_enc, self.x, self.W_enc)
        acts, l0 = JumpReLU.apply(pre, self.threshold, self.bandwidth)
        error = torch.addmm(self.b_dec, acts, self.W_dec) - self.x
        return error.square().sum() / error.shape[0], l0

    def project(self):
        """Takes the decoder's gradient off its rows."""
        g = self.W_dec.grad
        g.addcmul_((g * self.W_dec).sum(1, keepdim=True), self.W_dec, value=-1)

    def step(self, weight, lr, lr_threshold):
        """One step; returns (mse, l0) before the update. weight: coefficient of the sparsity loss."""
        self.optimiser.param_groups[0]["lr"] = lr
        self.optimiser.param_groups[1]["lr"] = lr_threshold
        mse, l0 = self.forward()
        loss = mse + weight / (2 * self.l0) * (l0 - self.l0) ** 2
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        with torch.no_grad():
            self.project()
            self.optimiser.step()
            self.W_dec.div_(self.W_dec.norm(dim=1, keepdim=True))
            self.threshold.clamp_(min=1e-6)
        return mse.item(), l0.item()


class Written(Tuned):
    def forward(self):
        pre = (self.x - self.b_dec) @ self.W_enc + self.b_enc
        acts = Jump.apply(pre, self.threshold, self.bandwidth)
        l0 = Step.apply(pre, self.threshold, self.bandwidth).sum(1).mean()
        recon = acts @ self.W_dec + self.b_dec
        return (recon - self.x).pow(2).sum(1).mean(), l0

    def project(self):
        g = self.W_dec.grad
        g -= (g * self.W_dec).sum(1, keepdim=True) * self.W_dec


def blas():
    """The BLAS library that this process has loaded, with its version where it tells."""
    with open("/proc/self/maps") as maps:
        paths = sorted(set(re.findall(r"/\S*(?:blas|mkl)\S*\.so\S*", maps.read())))
    for path in paths:
        try:
            config = ctypes.CDLL(path).openblas_get_config
        except (AttributeError, OSError):
            continue
        config.restype = ctypes.c_char_p
        return config().decode()
    names = sorted(set(os.path.basename(os.path.realpath(path)) for path in paths))
    return ", ".join(names) or "built in"


def main():
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    sae = None
    for line in sys.stdin:
        request = json.loads(line)
        if "setup" in request:
            kind = {"written": Written, "tuned": Tuned}[request["kind"]]
            sae = kind(**request["setup"])
            answer = {"torch": torch.__version__, "blas": blas(), "threads": torch.get_num_threads()}
        else:
            started = time.perf_counter()
            losses = [
                sae.step(request["lambda"], request["lr"], request["lr_threshold"])
                for _ in range(request["steps"])
            ]
            answer = {"ms": (time.perf_counter() - started) * 1e3 / len(losses)}
            answer["mse"], answer["l0"] = map(list, zip(*losses))
        print(json.dumps(answer), flush=True)


main()
