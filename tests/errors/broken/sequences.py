"""Mistakes in nets for texts and sounds: a GPT, a vision transformer, 1-d convolutions, bags of words, an LSTM, factors."""

from __future__ import annotations

from tests.errors.broken.programs import Broken, broken

GPT = [
    broken("qkv_of_two", "gpt", "Linear(width, 3 * width)", "Linear(width, 2 * width)", "GT105 blocks.0.attn"),
    broken("keys_not_transposed", "gpt", "q @ k.transpose(-2, -1)", "q @ k", "GT109 blocks.0.attn"),
    broken("heads_do_not_divide", "gpt", "heads=6", "heads=7", "GT105 blocks.0.attn"),
    broken("second_norm_shape", "gpt", "self.ln2 = nn.LayerNorm(width)", "self.ln2 = nn.LayerNorm(4 * width)", "GT103 blocks.0.ln2"),
    broken("norm_of_length", "gpt", "self.norm = nn.LayerNorm(width)", "self.norm = nn.LayerNorm(LENGTH)", "GT103 norm"),
    broken("all_positions", "gpt", "arange(idx.shape[1])", "arange(LENGTH)", "GT101"),
    broken("width_of_positions", "gpt", "Embedding(LENGTH, width)", "Embedding(LENGTH, 64)", "GT101"),
    broken("head_swapped", "gpt", "nn.Linear(width, VOCABULARY,", "nn.Linear(VOCABULARY, width,", "GT109 head"),
    broken("mlp_features", "gpt", "nn.Linear(4 * width, width)", "nn.Linear(width, width)", "GT109 blocks.0.mlp.2"),
    broken("residual_width", "gpt", "nn.Linear(4 * width, width)", "nn.Linear(4 * width, 4 * width)", "GT101 blocks.0"),
    broken("heads_not_joined", "gpt", ".transpose(1, 2).reshape(b, t, c)", ".transpose(1, 2)", "GT109 blocks.0.attn.proj"),
    broken("dim_of_softmax", "gpt", "scores, dim=-1", "scores, dim=4", "GT302 blocks.0.attn"),
    broken("float_tokens", "gpt", "zeros(3, 20, dtype=gt.int64),)", "zeros(3, 20),)", "GT203 tokens"),
    broken("sizes_of_queries_swapped", "gpt", "q.view(b, t, self.heads, c // self.heads)", "q.view(b, t, c // self.heads, self.heads)", "GT109 blocks.0.attn"),
    broken("list_called", "gpt", "        for block in self.blocks:\n            x = block(x)\n", "        x = self.blocks(x)\n", "GT703 blocks"),
]  # fmt: skip

VIT = [
    broken("attention_heads", "vit", "heads=5", "heads=6", "GT304"),
    broken("attention_returns_two", "vit", "y, _ = self.attn", "y = self.attn", "GT301 encoder.0"),
    broken("position_of_class_missing", "vit", "// patch) ** 2 + 1", "// patch) ** 2", "GT101"),
    broken("patches_not_transposed", "vit", ".flatten(2).transpose(1, 2)", ".flatten(2)", "GT106"),
    broken("cat_along_features", "vit", "[cls, x], dim=1", "[cls, x], dim=2", "GT106"),
    broken("class_not_expanded", "vit", "gt.cat([cls, x]", "gt.cat([self.cls, x]", "GT106"),
    broken("encoder_norm", "vit", "self.norm2 = nn.LayerNorm(dim)", "self.norm2 = nn.LayerNorm(4 * dim)", "GT103 encoder.0.norm2"),
    Broken("one_colour_image", "vit", (("zeros(2, 3, 32, 32)", "zeros(3, 32, 32)"), ("zeros(2, d", "zeros(1, d")), ("GT106",)),
    broken("other_image_size", "vit", "zeros(2, 3, 32, 32)", "zeros(2, 3, 24, 24)", "GT101"),
    broken("width_of_attention", "vit", "nn.MultiheadAttention(dim,", "nn.MultiheadAttention(2 * dim,", "GT103 encoder.0.attn"),
    broken("patches_overlap", "vit", "kernel_size=patch, stride=patch", "kernel_size=patch", "GT101"),
]  # fmt: skip

AUDIO = [
    broken("length_before_channel", "audio", "zeros(3, 1, 8000)", "zeros(3, 8000, 1)", "GT102 conv1"),
    broken("channel_missing", "audio", "zeros(3, 1, 8000)", "zeros(3, 8000)", "GT102 conv1"),
    broken("words_features", "audio", "Linear(2 * n_channel", "Linear(n_channel", "GT109 fc1"),
    Broken("squeeze_takes_batch", "audio", (("zeros(3, 1, 8000)", "zeros(1, 1, 8000)"), (".squeeze(1)", ".squeeze()"), ("zeros(3, d", "zeros(1, d")), ("GT302",)),
    broken("permute_missing", "audio", "x.permute(0, 2, 1).squeeze(1)", "x.squeeze(1)", "GT109 fc1"),
    broken("third_norm", "audio", "BatchNorm1d(2 * n_channel)", "BatchNorm1d(n_channel)", "GT102 bn3"),
    broken("third_channels", "audio", "Conv1d(n_channel, 2 *", "Conv1d(2 * n_channel, 2 *", "GT102 conv3"),
    broken("too_short", "audio", "zeros(3, 1, 8000)", "zeros(3, 1, 400)", "GT111 pool2"),
]  # fmt: skip

TEXTBAG = [
    broken("float_text", "textbag", "zeros(23, dtype=gt.int64)", "zeros(23)", "GT203 embedding"),
    broken("bag_features", "textbag", "nn.Linear(embed_dim, 16)", "nn.Linear(64, 16)", "GT109 fc1"),
    broken("no_offsets", "textbag", "self.embedding(text, offsets)", "self.embedding(text)", "GT107 embedding"),
    broken("argument_missing", "textbag", ", gt.tensor([0, 7, 12])", ",", "GT301"),
]  # fmt: skip

LSTM = [
    broken("lstm_input_size", "lstm", "nn.LSTM(embed_dim,", "nn.LSTM(32,", "GT109 lstm"),
    broken("lstm_one_direction", "lstm", ", bidirectional=True", "", "GT103 norm", "GT109 fc"),
    broken("lstm_last_hidden", "lstm", "output, _ = self.lstm(x)\n        x = self.norm(output[:, -1])", "_, (hidden, _) = self.lstm(x)\n        x = self.norm(hidden[-1])", "GT103 norm", "GT109 fc"),
    broken("lstm_features", "lstm", "nn.Linear(2 * hidden_dim,", "nn.Linear(hidden_dim,", "GT109 fc"),
    broken("lstm_float_tokens", "lstm", "zeros(5, LENGTH, dtype=gt.int64)", "zeros(5, LENGTH)", "GT203 embedding"),
    broken("lstm_all_steps", "lstm", "output[:, -1]", "output", "GT112"),
]  # fmt: skip

REGRESSION = [
    broken("weight_not_transposed", "regression", "self.weight.t()", "self.weight", "GT109"),
    broken("bias_of_four", "regression", "nn.Parameter(gt.zeros(5))", "nn.Parameter(gt.zeros(4))", "GT101"),
    broken("bias_as_column", "regression", "+ self.bias", "+ self.bias.unsqueeze(1)", "GT101"),
    broken("factors_differ", "regression", "nn.Embedding(items, factors)", "nn.Embedding(items, 16)", "GT101"),
    broken("squeeze_dim", "regression", ".squeeze(1)", ".squeeze(2)", "GT302"),
    broken("bilinear_features", "regression", "nn.Bilinear(factors, factors, 5)", "nn.Bilinear(factors, 24, 5)", "GT103 scale"),
]  # fmt: skip

SEQUENCES = [*GPT, *VIT, *AUDIO, *TEXTBAG, *LSTM, *REGRESSION]
