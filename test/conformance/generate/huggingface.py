"""Models of Hugging Face transformers from configurations of any size, wrapped so that results are plain tuples."""

import torch
import torch.nn as nn
import transformers

VOCABULARY = 40


def token_ids(batch, length):
    return torch.randint(3, VOCABULARY - 1, (batch, length))


def padded_mask(batch, length):
    """A mask in which row k ends k positions early. At least one position stays."""
    kept = torch.tensor([max(1, length - row) for row in range(batch)])
    return (torch.arange(length)[None] < kept[:, None]).long()


class TokenModel(nn.Module):
    """A model of ids and mask. Its results are the tensors of the output tuple that every option returns."""

    def __init__(self, model, results=1, masked=True, cache=False):
        super().__init__()
        self.model, self.results, self.masked, self.cache = model, results, masked, cache

    def forward(self, ids, mask):
        options = {"use_cache": False} if self.cache else {}
        outputs = self.model(input_ids=ids, attention_mask=mask if self.masked else None, return_dict=False, **options)
        return outputs[: self.results]


class PixelModel(nn.Module):
    def __init__(self, model, results=2):
        super().__init__()
        self.model, self.results = model, results

    def forward(self, pixels):
        return self.model(pixels, return_dict=False)[: self.results]


class PairModel(nn.Module):
    """CLIP: similarity of texts and images."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, mask, pixels):
        out = self.model(input_ids=ids, attention_mask=mask, pixel_values=pixels, return_dict=False)
        return out[:4]


def sizes(size):
    """(width, layers, heads, inner width, vocabulary) for `tiny` and `full`."""
    return (8, 2, 2, 12, VOCABULARY) if size == "tiny" else (256, 2, 4, 1024, VOCABULARY)


def text_config(size):
    width, layers, heads, inner, vocabulary = sizes(size)
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary,
        "max_position_embeddings": 24,
    }


def make(kind, size, attention):
    """The wrapped module of a kind: see `KINDS`. `attention` is `eager` or `sdpa`."""
    t, (width, layers, heads, inner, vocabulary) = transformers, sizes(size)
    base, common = text_config(size), {"attn_implementation": attention}
    vision = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "image_size": 16,
        "patch_size": 8,
    }
    llama = base | {"num_key_value_heads": heads // 2, "use_cache": False}
    builders = {
        "bert": lambda: TokenModel(t.BertModel(t.BertConfig(**base, **common)), 2),
        "roberta": lambda: TokenModel(t.RobertaModel(t.RobertaConfig(**base, **common)), 2),
        "distilbert": lambda: TokenModel(
            t.DistilBertModel(
                t.DistilBertConfig(
                    dim=width,
                    n_layers=layers,
                    n_heads=heads,
                    hidden_dim=inner,
                    vocab_size=vocabulary,
                    max_position_embeddings=24,
                    **common,
                )
            )
        ),
        "bert_classifier": lambda: TokenModel(
            t.BertForSequenceClassification(t.BertConfig(**base, num_labels=3, **common))
        ),
        "electra": lambda: TokenModel(t.ElectraModel(t.ElectraConfig(**base, embedding_size=width, **common))),
        "albert": lambda: TokenModel(t.AlbertModel(t.AlbertConfig(**base, embedding_size=8, **common)), 2),
        "mpnet": lambda: TokenModel(t.MPNetModel(t.MPNetConfig(**base)), 2),
        "gpt2": lambda: TokenModel(
            t.GPT2LMHeadModel(
                t.GPT2Config(
                    n_embd=width,
                    n_layer=layers,
                    n_head=heads,
                    n_inner=inner,
                    vocab_size=vocabulary,
                    n_positions=24,
                    **common,
                )
            ),
            cache=True,
        ),
        "opt": lambda: TokenModel(
            t.OPTForCausalLM(
                t.OPTConfig(
                    hidden_size=width,
                    num_hidden_layers=layers,
                    num_attention_heads=heads,
                    ffn_dim=inner,
                    vocab_size=vocabulary,
                    max_position_embeddings=24,
                    word_embed_proj_dim=width,
                    **common,
                )
            ),
            cache=True,
        ),
        "gpt_neox": lambda: TokenModel(t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**base, **common)), cache=True),
        "llama": lambda: TokenModel(t.LlamaForCausalLM(t.LlamaConfig(**llama, **common)), cache=True),
        "mistral": lambda: TokenModel(
            t.MistralForCausalLM(t.MistralConfig(**llama, sliding_window=None, **common)), cache=True
        ),
        "qwen2": lambda: TokenModel(t.Qwen2ForCausalLM(t.Qwen2Config(**llama, **common)), cache=True),
        "phi": lambda: TokenModel(t.PhiForCausalLM(t.PhiConfig(**base, **common)), cache=True),
        "gemma": lambda: TokenModel(
            t.GemmaForCausalLM(t.GemmaConfig(**llama, head_dim=width // heads, **common)), cache=True
        ),
        "t5_encoder": lambda: TokenModel(
            t.T5EncoderModel(
                t.T5Config(
                    d_model=width,
                    d_kv=width // heads,
                    d_ff=inner,
                    num_layers=layers,
                    num_heads=heads,
                    vocab_size=vocabulary,
                )
            )
        ),
        "vit": lambda: PixelModel(t.ViTModel(t.ViTConfig(**vision, **common))),
        "deit": lambda: PixelModel(t.DeiTModel(t.DeiTConfig(**vision, **common))),
        "dinov2": lambda: PixelModel(
            t.Dinov2Model(
                t.Dinov2Config(
                    hidden_size=width,
                    num_hidden_layers=layers,
                    num_attention_heads=heads,
                    image_size=16,
                    patch_size=4,
                    **common,
                )
            )
        ),
        "clip_vision": lambda: PixelModel(t.CLIPVisionModel(t.CLIPVisionConfig(**vision, **common))),
        "clip_text": lambda: TokenModel(
            t.CLIPTextModel(t.CLIPTextConfig(**base, eos_token_id=VOCABULARY - 1, **common)), 2
        ),
        "clip": lambda: PairModel(
            t.CLIPModel(
                t.CLIPConfig(
                    text_config=base | {"eos_token_id": VOCABULARY - 1},
                    vision_config=vision,
                    projection_dim=12,
                    **common,
                )
            )
        ),
        "whisper_encoder": lambda: PixelModel(
            t.models.whisper.modeling_whisper.WhisperEncoder(
                t.WhisperConfig(
                    d_model=width,
                    encoder_layers=layers,
                    encoder_attention_heads=heads,
                    encoder_ffn_dim=inner,
                    num_mel_bins=8,
                    max_source_positions=12,
                    **common,
                )
            ),
            1,
        ),
        "wav2vec2": lambda: PixelModel(
            t.Wav2Vec2Model(
                t.Wav2Vec2Config(
                    **{k: v for k, v in base.items() if k != "max_position_embeddings"},
                    conv_dim=(8, 8),
                    conv_kernel=(10, 3),
                    conv_stride=(5, 2),
                    num_feat_extract_layers=2,
                    num_conv_pos_embeddings=8,
                    num_conv_pos_embedding_groups=2,
                    **common,
                )
            ),
            1,
        ),
        "segformer": lambda: PixelModel(
            t.SegformerForSemanticSegmentation(
                t.SegformerConfig(
                    hidden_sizes=[8, 8, 16, 16] if size == "tiny" else [32, 64, 160, 256],
                    depths=[1, 1, 1, 1],
                    decoder_hidden_size=width,
                    num_labels=3,
                )
            ),
            1,
        ),
        "swin": lambda: PixelModel(
            t.SwinModel(
                t.SwinConfig(
                    image_size=32,
                    patch_size=2,
                    embed_dim=8 if size == "tiny" else 48,
                    depths=[2, 1],
                    num_heads=[2, 2],
                    window_size=4,
                )
            )
        ),
    }
    return builders[kind]()


PIXELS = {
    "vit": (3, 16, 16),
    "deit": (3, 16, 16),
    "dinov2": (3, 16, 16),
    "clip_vision": (3, 16, 16),
    "whisper_encoder": (8, 24),
    "wav2vec2": (200,),
    "segformer": (3, 64, 64),
    "swin": (3, 32, 32),
}
TOKENS = (
    "bert",
    "roberta",
    "distilbert",
    "bert_classifier",
    "electra",
    "albert",
    "mpnet",
    "gpt2",
    "opt",
    "gpt_neox",
    "llama",
    "mistral",
    "qwen2",
    "phi",
    "gemma",
    "t5_encoder",
    "clip_text",
)
ONE_ATTENTION = ("t5_encoder", "mpnet", "segformer", "swin")
KINDS = (*TOKENS, "clip", *PIXELS)


def args(kind, batch, length=7):
    """Random arguments. `length` is the number of tokens; a larger one also makes sound longer."""
    if kind in PIXELS:
        shape = (200 + 20 * length,) if kind == "wav2vec2" else PIXELS[kind]
        return (torch.randn(batch, *shape),)
    ids, mask = token_ids(batch, length), padded_mask(batch, length)
    if kind.startswith("clip"):
        ids[torch.arange(batch), mask.sum(1) - 1] = VOCABULARY - 1  # CLIP reads the end token's position
    return (ids, mask, torch.randn(batch, 3, 16, 16)) if kind == "clip" else (ids, mask)
