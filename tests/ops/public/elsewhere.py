"""Public functions without a row here, and where their tests are: what is random, changes its operand, or is no call."""

from __future__ import annotations

#: file -> names that it tests, or name=the word by which the file knows it
FILES = {
    # tables of their own, with formulas, finite differences of two orders, torch and compiled steps
    "losses/activations.py": "F.celu F.elu F.glu F.hardshrink F.hardsigmoid F.hardswish F.hardtanh F.leaky_relu "
    "F.logsigmoid F.mish F.prelu F.relu6 F.rrelu F.selu F.softmin F.softplus F.softshrink F.softsign F.tanhshrink "
    "F.threshold",
    "losses/cases.py": "F.binary_cross_entropy F.binary_cross_entropy_with_logits F.cosine_embedding_loss "
    "F.cosine_similarity F.gaussian_nll_loss F.hinge_embedding_loss F.huber_loss F.kl_div F.l1_loss "
    "F.margin_ranking_loss F.mse_loss F.multi_margin_loss F.multilabel_margin_loss F.multilabel_soft_margin_loss "
    "F.pairwise_distance F.poisson_nll_loss F.smooth_l1_loss F.soft_margin_loss F.triplet_margin_loss "
    "F.triplet_margin_with_distance_loss",
    "losses/test_ctc.py": "F.ctc_loss",
    "nn/test_nn_attention.py": "F.multi_head_attention_forward=MultiheadAttention",
    # random numbers
    "frontend/test_distributions.py": "bernoulli multinomial normal rand rand_like randint randint_like randn "
    "randn_like randperm manual_seed",
    # in place, or of memory that others made
    "frontend/test_in_place_forms.py": "bernoulli_ fill_ normal_ random_ uniform_ uniform=uniform_ "
    "exponential=exponential_ copy_",
    "frontend/test_in_place.py": "zero_",
    "ops/test_as_torch.py": "from_numpy item=.item()",
    # properties, and methods that give no tensor
    "ops/test_torch.py": "T=mT mT tensor",
    "frontend/test_arguments.py": "contiguous",
    "ops/test_low_precision_torch.py": "half",
}

ELSEWHERE = {
    entry.partition("=")[0]: (file, entry.rpartition("=")[2].rpartition(".")[2])
    for file, names in FILES.items()
    for entry in names.split()
}
