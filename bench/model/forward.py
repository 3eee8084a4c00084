"""A plain eager Gemma 2 forward pass in PyTorch, float32, served over stdin and stdout, one JSON object a line.

{"do": "open", "folder": ...} reads a checkpoint's bfloat16 weights and widens them; {"do": "forward", "ids": [[...]], "reps": n, "keep": path}
runs the pass n times and answers the wall and CPU time of each; `keep` names a file for the last residual stream, raw float32
[n_seqs, seq_len, d_model]. {"do": "losses", "ids": [[...]]} answers the next-token losses in nats.

Written from the equations: RMSNorm with gain 1 + w before and after attention and MLP, rotary positions in halves, grouped-query
attention with scores 50 tanh(s / 50) and a sliding window on even layers, a gated MLP with the tanh form of GELU. What a user
of eager PyTorch would write, except that the embedding stays in bfloat16 (rows are widened as they are read).
"""

import json
import math
import mmap
import os
import resource
import struct
import sys
import time

import torch
import torch.nn.functional as F


def peak_bytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Checkpoint:
    """Tensors of one safetensors file in bfloat16, mapped."""

    def __init__(self, folder):
        with open(os.path.join(folder, "config.json")) as file:
            self.config = json.load(file)
        with open(os.path.join(folder, "model.safetensors"), "rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        (self.header_bytes,) = struct.unpack("<Q", self.map[:8])
        self.header = json.loads(self.map[8 : 8 + self.header_bytes])

    def mapped(self, name):
        entry = self.header[name]
        assert entry["dtype"] == "BF16", f"{name} is {entry['dtype']}, expected BF16"
        begin, end = entry["data_offsets"]
        at = 8 + self.header_bytes + begin
        flat = torch.frombuffer(self.map, dtype=torch.bfloat16, count=(end - begin) // 2, offset=at)
        return flat.reshape(entry["shape"])

    def read(self, name):
        return self.mapped(name).to(torch.float32)


def rms_norm(x, w, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * (1 + w)


def rotate(x, cos, sin):
    """x [n_seqs, n_heads, seq_len, d_head]; cos, sin [seq_len, d_head / 2]."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Gemma2:
    def __init__(self, folder):
        checkpoint = Checkpoint(folder)
        c = checkpoint.config
        self.n_layers, self.d_head = c["num_hidden_layers"], c["head_dim"]
        self.n_heads, self.n_kv_heads = c["num_attention_heads"], c["num_key_value_heads"]
        self.window, self.eps, self.theta = c["sliding_window"], c["rms_norm_eps"], c["rope_theta"]
        self.query_scale = c["query_pre_attn_scalar"] ** -0.5
        self.attn_softcap, self.final_softcap = c["attn_logit_softcapping"], c["final_logit_softcapping"]
        self.embed = checkpoint.mapped("model.embed_tokens.weight")
        self.embed_scale = torch.tensor(math.sqrt(c["hidden_size"]), dtype=torch.bfloat16).item()
        self.norm = checkpoint.read("model.norm.weight")
        parts = [
            *("input_layernorm", "post_attention_layernorm"),
            *("pre_feedforward_layernorm", "post_feedforward_layernorm"),
            *("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"),
            *("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
        ]
        self.layers = [
            {part.split(".")[-1]: checkpoint.read(f"model.layers.{i}.{part}.weight") for part in parts}
            for i in range(self.n_layers)
        ]

    def forward(self, ids):
        """The last residual stream [n_seqs, seq_len, d_model] for ids [n_seqs, seq_len]."""
        n_seqs, seq_len = ids.shape
        h = self.embed[ids].to(torch.float32) * self.embed_scale
        half = self.d_head // 2
        inv_freq = self.theta ** (-torch.arange(half, dtype=torch.float32) / half)
        angles = torch.outer(torch.arange(seq_len, dtype=torch.float32), inv_freq)
        cos, sin = angles.cos(), angles.sin()
        i = torch.arange(seq_len)[:, None]
        j = torch.arange(seq_len)[None, :]
        everything = torch.where(j <= i, 0.0, float("-inf"))
        near = torch.where((j <= i) & (j > i - self.window), 0.0, float("-inf"))

        def heads(x, n):
            return x.view(n_seqs, seq_len, n, self.d_head).transpose(1, 2)

        for layer, w in enumerate(self.layers):
            a = rms_norm(h, w["input_layernorm"], self.eps)
            q = rotate(heads(F.linear(a, w["q_proj"]), self.n_heads), cos, sin) * self.query_scale
            k = rotate(heads(F.linear(a, w["k_proj"]), self.n_kv_heads), cos, sin)
            v = heads(F.linear(a, w["v_proj"]), self.n_kv_heads)
            k = k.repeat_interleave(self.n_heads // self.n_kv_heads, 1)
            v = v.repeat_interleave(self.n_heads // self.n_kv_heads, 1)
            scores = q @ k.transpose(-1, -2)
            scores = torch.tanh(scores / self.attn_softcap) * self.attn_softcap
            scores = scores + (near if layer % 2 == 0 else everything)
            z = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n_seqs, seq_len, -1)
            h = h + rms_norm(F.linear(z, w["o_proj"]), w["post_attention_layernorm"], self.eps)
            m = rms_norm(h, w["pre_feedforward_layernorm"], self.eps)
            gate = gelu_tanh(F.linear(m, w["gate_proj"]))
            y = F.linear(gate * F.linear(m, w["up_proj"]), w["down_proj"])
            h = h + rms_norm(y, w["post_feedforward_layernorm"], self.eps)
        return h

    def losses(self, ids):
        """Next-token losses in nats, [n_seqs, seq_len - 1]."""
        h = rms_norm(self.forward(ids), self.norm, self.eps)[:, :-1]
        # In pieces of the vocabulary, so that the embedding is never widened as a whole.
        logits = torch.cat([F.linear(h, rows.to(torch.float32)) for rows in self.embed.split(16384)], -1)
        logits = torch.tanh(logits / self.final_softcap) * self.final_softcap
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")


def gelu_tanh(x):
    try:
        return F.gelu(x, approximate="tanh")
    except TypeError:  # PyTorch before 1.12
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x.pow(3))))


def timed(run):
    wall, cpu = time.perf_counter(), time.process_time()
    value = run()
    return value, (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3


@torch.no_grad()
def main():
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    model = None
    for line in sys.stdin:
        request = json.loads(line)
        ids = torch.tensor(request.get("ids", []))
        if request["do"] == "open":
            model, ms, _ = timed(lambda: Gemma2(request["folder"]))
            answer = {"about": f"PyTorch {torch.__version__}", "open_ms": ms}
        elif request["do"] == "forward":
            h, times = None, []
            for _ in range(request["reps"]):
                h = None
                h, ms, cpu_ms = timed(lambda: model.forward(ids))
                times.append({"ms": ms, "cpu_ms": cpu_ms})
            answer = {"times": times}
            if "keep" in request:
                h.numpy().tofile(request["keep"])
        else:
            answer = {"losses": model.losses(ids).tolist()}
        print(json.dumps({**answer, "peak_bytes": peak_bytes()}), flush=True)


main()
