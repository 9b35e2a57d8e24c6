"""One measurement of PyTorch's speed on the work that trainer-run.ts measures Attune's on.

Takes {"mode": "generate" | "eager" | "compiled", "shape", "promptTokens", "repeats", "leastSeconds"} as JSON and prints
{"tokensPerSecond", "peakMiB"} as one line of JSON; with "versions" prints these. Same shapes, same
batch, float32; the same loss, the same AdamW on every parameter, the same clipping.
"""

import json
import logging
import resource
import statistics
import sys
import time

import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

logging.disable(logging.WARNING)


def model_of(config):
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=config["vocabSize"], n_positions=config["context"], n_embd=config["width"],
            n_layer=config["layers"], n_head=config["heads"], n_inner=config["inner"],
            layer_norm_epsilon=config["epsilon"], bos_token_id=None, eos_token_id=None, pad_token_id=0,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        )
    )


def generating(model, shape, prompt_tokens):
    model.eval()
    rows, columns = torch.arange(shape["sequences"])[:, None], torch.arange(prompt_tokens)[None, :]
    prompts = (31 * rows + 7 * columns) % shape["config"]["vocabSize"]  # [B, prompt]
    mask = torch.ones_like(prompts)

    def generate():
        ids = model.generate(
            prompts, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
            max_new_tokens=shape["newTokens"], min_new_tokens=shape["newTokens"],
        )
        assert ids.shape == (shape["sequences"], prompt_tokens + shape["newTokens"])

    return generate


def training(model, shape, compiled):
    model.train()
    # The weights of every module are decayed, and moments are updated in one fused kernel.
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, fused=True)
    forward = torch.compile(model) if compiled else model
    vocabulary = shape["config"]["vocabSize"]
    ids = (7919 * torch.arange(shape["rows"] * shape["length"]) % vocabulary).view(shape["rows"], shape["length"])

    def step():
        logits = forward(ids, use_cache=False).logits[:, :-1]  # [B, T-1, V]
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, vocabulary), ids[:, 1:].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def main():
    if sys.argv[1] == "versions":
        return {"torch": torch.__version__, "transformers": transformers.__version__}
    job = json.loads(sys.argv[1])
    torch.manual_seed(1)
    shape = job["shape"]
    model = model_of(shape["config"])
    if job["mode"] == "generate":
        run, tokens = generating(model, shape, job["promptTokens"]), shape["sequences"] * shape["newTokens"]
    else:
        run, tokens = training(model, shape, job["mode"] == "compiled"), shape["rows"] * shape["length"]
    run()  # compiles and allocates
    times = []
    start = time.perf_counter()
    while len(times) < job["repeats"] or time.perf_counter() - start < job["leastSeconds"]:
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"tokensPerSecond": tokens / statistics.median(times), "peakMiB": peak / 1024}


print(json.dumps(main()))
