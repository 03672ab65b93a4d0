/*
 * martlet/algorithms.h - algorithms, their hyperparameters and what they keep: section 6 of martlet.h, which includes
 * it.
 */
#include "../martlet.h"

#ifndef MARTLET_ALGORITHMS_H
#define MARTLET_ALGORITHMS_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------------
 * 6. Algorithms and hyperparameters
 *
 * Every algorithm is given g, the gradient (negated with MARTLET_MAXIMIZE), with weight_decay p added to it
 * unless the decay is decoupled (flags, below). t counts steps from 1, ^ is a power, and everything is worked
 * out element by element. In brackets: the slots, and what of them is a scalar.
 *
 * Adam      [exp_avg m, exp_avg_sq v; with AMSGRAD max_exp_avg_sq r]
 *           m <- m + (1 - beta1) (g - m);  v <- beta2 v + (1 - beta2) g^2
 *           p <- p - lr / c1 m / (sqrt(v / c2) + eps),  c1 = 1 - beta1^t,  c2 = 1 - beta2^t
 *           AMSGRAD: r <- max(r, v) in v's place. Kingma, Ba: Adam: a method for stochastic optimization. ICLR
 *           2015, algorithm 1. Reddi, Kale, Kumar: On the convergence of Adam and beyond. ICLR 2018, algorithm 2
 * AdamW     the same; its decay is decoupled. Loshchilov, Hutter: Decoupled weight decay regularization. ICLR
 *           2019, algorithm 2
 * SGD       [with a momentum: momentum_buffer b]
 *           b <- momentum b + (1 - dampening) g, at the first step g;  p <- p - lr b
 *           NESTEROV: p <- p - lr (g + momentum b), for a dampening of 0 alone. Without a momentum b is g.
 *           Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning.
 *           ICML 2013
 * RMSprop   [square_avg v; with a momentum momentum_buffer b; with CENTERED grad_avg a]
 *           v <- alpha v + (1 - alpha) g^2;  u = g / (sqrt(v) + eps);  p <- p - lr u
 *           CENTERED: a <- alpha a + (1 - alpha) g, and v - a^2 in v's place. With a momentum: b <- momentum b + u
 *           in u's place. Tieleman, Hinton: Lecture 6.5, 2012. Graves: Generating sequences with recurrent neural
 *           networks. arXiv:1308.0850
 * Adagrad   [sum s] s <- s + g^2, at the first step from initial_accumulator_value where s is 0
 *           p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)
 *           Duchi, Hazan, Singer: Adaptive subgradient methods. JMLR 12, 2011
 * Adadelta  [square_avg v, acc_delta d]
 *           v <- rho v + (1 - rho) g^2;  u = sqrt(d + eps) / sqrt(v + eps) g;  d <- rho d + (1 - rho) u^2
 *           p <- p - lr u. Zeiler: Adadelta. arXiv:1212.5701, algorithm 1
 * Rprop     [prev q, step_size z] z, lr at first, times etaplus where g q > 0 and etaminus where g q < 0, kept
 *           between step_size_min and step_size_max; where g q < 0, g = 0 from here;  q <- g
 *           p <- p - sign(g) z. Riedmiller, Braun: A direct adaptive method for faster backpropagation learning.
 *           ICNN 1993
 * ASGD      [ax a; scalars eta, mu] p <- (1 - lambd eta) p - eta g;  a <- a + mu (p - a)
 *           then eta = lr / (1 + lambd lr t)^alpha and mu = 1 / max(1, t - t0) for the next step; lr and 1 at
 *           first. Polyak, Juditsky: Acceleration of stochastic approximation by averaging. 1992
 * Adamax    [exp_avg m, exp_inf u] m as Adam's;  u <- max(beta2 u, |g| + eps);  p <- p - lr / c1 m / u
 *           Kingma, Ba, algorithm 2
 * NAdam     [exp_avg m, exp_avg_sq v; scalar mu_product M] m, v as Adam's;  M <- M mu_t
 *           p <- p - lr ((1 - mu_t) / (1 - M) g + mu_(t+1) / (1 - M mu_(t+1)) m) / (sqrt(v / c2) + eps)
 *           mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2). Dozat: Incorporating Nesterov momentum into Adam. 2016
 * RAdam     [exp_avg m, exp_avg_sq v] m, v as Adam's;  rho = R - 2 t beta2^t / c2,  R = 2 / (1 - beta2) - 1
 *           rho > 5: p <- p - lr / c1 m sqrt(c2) / (sqrt(v) + eps) F,
 *           F = sqrt((rho - 4) (rho - 2) R / ((R - 4) (R - 2) rho));  else p <- p - lr / c1 m
 *           Liu, Jiang, He, Chen, Liu, Gao, Han: On the variance of the adaptive learning rate. arXiv:1908.03265
 * AdaBound  [exp_avg m, exp_avg_sq v; with AMSGRAD max_exp_avg_sq r; scalar base_lr: what it holds before the first
 *           step, or that step's lr where it holds 0]
 *           m, v, r as Adam's;  p <- p - clamp(lr sqrt(c2) / c1 / (sqrt(v) + eps), f (1 - 1 / (gamma t + 1)),
 *           f (1 + 1 / (gamma t))) m,  f = final_lr lr / base_lr (final_lr for a base_lr of 0; no upper bound for a
 *           gamma of 0). The authors' code has the rate of the constructor for base_lr: where a schedule starts from
 *           another one, write that into the slot. With AMSGRAD: AMSBound. Luo, Xiong, Liu, Sun: Adaptive gradient
 *           methods with dynamic bound of learning rate. ICLR 2019
 * AdaBelief [exp_avg m, exp_avg_var s; with AMSGRAD max_exp_avg_var]
 *           m as Adam's;  s <- beta2 s + (1 - beta2) (g - m)^2 + eps_root
 *           p <- p - lr / c1 m / (sqrt(s / c2) + eps);  RECTIFY, a default: as RAdam's, from rho >= 5 on. AMSGRAD:
 *           the largest s so far in s's place. Decoupled by default. Zhuang et al.: AdaBelief optimizer. NeurIPS 2020
 * Adan      [exp_avg m, exp_avg_sq n, exp_avg_diff w, neg_pre_grad: -g of the step before]
 *           d = g less the step's before, 0 at first;  m <- beta1 m + (1 - beta1) g;  w <- beta2 w + (1 - beta2) d
 *           n <- beta3 n + (1 - beta3) (g + beta2 d)^2
 *           p <- (p - lr (m / c1 + beta2 w / c2) / (sqrt(n / c3) + eps)) / (1 + lr weight_decay)
 *           Xie, Zhou, Li, Lin, Yan: Adan. arXiv:2208.06677. Its decay is never added to g
 * Lion      [exp_avg m] p <- p - lr sign(beta1 m + (1 - beta1) g);  m <- beta2 m + (1 - beta2) g. Decoupled by
 *           default. Chen et al.: Symbolic discovery of optimization algorithms. arXiv:2302.06675
 * AdEMAMix  [exp_avg_fast m, exp_avg_slow n, exp_avg_sq v] m, v as Adam's;  n <- beta3 n + (1 - beta3) g
 *           p <- p - lr (m / c1 + alpha n) / (sqrt(v / c2) + eps). alpha grows in a line over alpha_warmup steps,
 *           beta3's half-life from beta1's over beta3_warmup steps. Decoupled by default. Pagliardini, Ablin,
 *           Grangier: The AdEMAMix optimizer. arXiv:2409.03137
 * Simplified AdEMAMix  [exp_avg m, exp_avg_sq v] m <- beta1 m + g;  v as Adam's
 *           p <- p - lr (m + alpha g) / (sqrt(v / c2) + eps). Decoupled by default. Morwani, Vyas, Zhang, Kakade:
 *           Connections between Schedule-Free optimizers, AdEMAMix, and accelerated SGD variants. arXiv:2502.02431
 * ADOPT     [exp_avg m, exp_avg_sq v] at the first step v = g^2, and p stays. Later n = g / max(sqrt(v), eps),
 *           kept within +-(t - 1)^(1/4);  m <- m + (1 - beta1) (n - m);  p <- p - lr m;  then v as Adam's
 *           Taniguchi et al.: ADOPT. arXiv:2411.02853, algorithm 2
 * LaProp    [exp_avg m, exp_avg_sq v; scalar exp_avg_lr_1 e] v as Adam's;  e <- beta1 e + (1 - beta1) lr
 *           m <- beta1 m + (1 - beta1) lr g / (sqrt(v / c2) + eps);  p <- p - m lr / e, and p - m for an lr of 0.
 *           Decoupled by default.
 *           Ziyin, Wang, Ueda: LaProp. arXiv:2002.04839
 * Schedule-Free  [z, p at first; AdamW and RAdam: exp_avg_sq v; scalars weight_sum, lr_max]
 *           u = g (SGD), g / (sqrt(v / c2) + eps) with v as Adam's and weight_decay p added behind the quotient
 *           w = t^r lr_max^weight_lr_power;  c = w / the sum of all w;  z' = z - lr u
 *           p <- p + c (z - p) - lr (1 - beta1 (1 - c)) u, with momentum for beta1 in SGD. lr grows in a line over
 *           warmup_steps; RAdam's is rectified instead, and 0 while rho <= 4. p is where gradients are taken; the
 *           trained point is p + (1 - 1 / beta1) (z - p). Defazio et al.: The road less scheduled. arXiv:2405.15682
 * Adafactor [matrices: row_var R, col_var C; vectors: variance v] w = t^beta2_decay
 *           A parameter whose value has sizes of two dimensions or more: for each matrix of its last two
 *           R <- R + w (mean of g^2 along the row - R);  C <- C + w (mean of g^2 along the column - C)
 *           v = R C / max(mean of R, eps).  Any other, a contiguous array without sizes too: v <- v + w (g^2 - v)
 *           u = g / max(sqrt(v), eps);  p <- (1 - lr weight_decay) p - a u / max(1, rms(u) / clipping_threshold)
 *           a = max(eps2, rms(p)) min(lr, 1 / sqrt(t)), rms over all elements of the parameter. An eps of 0 is
 *           the machine epsilon of value's type. Sums are in fp64, but those along rows and columns of matrices of
 *           up to 464 elements in the type that is computed in, in an order that sizes alone decide. Decay is decoupled
 *           always. Shazeer, Stern: Adafactor. arXiv:1804.04235
 * LAMB      [exp_avg m, exp_avg_sq v] m, v as Adam's;  u = m / c1 / (sqrt(v / c2) + eps) + weight_decay p
 *           p <- p - lr |p| / |u| u, lr u where one of the norms is 0 or NaN. Norms are over all elements of the
 *           parameter, here and below, with sums in fp64, in an order that its count alone decides. You et al.:
 *           Large batch optimization for deep learning. arXiv:1904.00962, algorithm 2
 * LARS      [with a momentum: momentum_buffer b] u = q (g + weight_decay p)
 *           b <- momentum b + (1 - dampening) u, at the first step u;  p <- p - lr b;  NESTEROV: p <- p - lr (u +
 *           momentum b), for a dampening of 0 alone. Without a momentum b is u.
 *           q = trust_coefficient |p| / (|g| + weight_decay |p| + eps), 1 where |p| or |g| is 0 or NaN
 *           You, Gitman, Ginsburg: Large batch training of convolutional networks. arXiv:1708.03888, algorithm 1,
 *           with the rate outside of b
 * StableAdamW  [exp_avg m, exp_avg_sq v] m, v as Adam's with (beta^t - beta) / (beta^t - 1) for each beta
 *           a = lr / max(1, rms(g / max(sqrt(v), eps)));  p <- (1 - a weight_decay) p - a m / (sqrt(v) + eps). Decay
 *           is decoupled always. With a NaN or an infinity in g all of p is NaN. Wortsman et al.: Stable and
 *           low-precision training for large-scale vision-language models. arXiv:2304.13013, algorithm 2
 * Muon      [momentum_buffer m; with NORMUON second_momentum_buffer v] for parameters of two dimensions or more,
 *           of which all but the first are a row; with blocks, that many matrices one above the other, as the projections
 *           of attention are fused
 *           m <- m + (1 - momentum) (g - m);  u = m, with NESTEROV, a default, g + momentum (m - g)
 *           p <- (1 - lr weight_decay) p - lr s O(u),  s = sqrt(max(1, rows / columns)), with MATCH_RMS
 *           0.2 sqrt(max(rows, columns)), with SPECTRAL sqrt(rows / columns). Decay is decoupled always.
 *           O: X = u / |u|, transposed where it has more rows than columns;  ns_steps times
 *           A = X X', X <- ns_a X + (ns_b A + ns_c A^2) X, in fp32, or in fewer products of the same polynomials. QUINTIC
 *           and POLAR_EXPRESS have lists of coefficients, the last for all further steps; POLAR_EXPRESS X = u / (1.02
 *           |u|). u is rounded to fp32 first; where |u| is 0 or under eps, O is 0. With NORMUON each row of O is divided:
 *           v <- v + (1 - beta2) (mean of O^2 along the row - v);  O <- a O / (sqrt(v) + eps), where a leaves the matrix
 *           its norm. The same bits for any threads, on one instruction set. Jordan et al.: Muon. 2024. Scales: Liu et
 *           al., arXiv:2502.16982; Bernstein, Newhouse, arXiv:2409.20325. Lists: Amsel, Persson, Musco, Gower: The Polar
 *           Express. arXiv:2505.16932. Li, Liu, Liang, Chen, Zhao: NorMuon. arXiv:2510.05491
 * Prodigy   [exp_avg m, exp_avg_sq v, s, p0: p at the first step; scalars d, d_max, d_numerator: d0, d0 and 0 at first]
 *           a = d lr, with BIAS_CORRECTION times sqrt(c2) / c1;  m, v as Adam's of d g for g
 *           s <- beta3 s + d / d0 a g, with SAFEGUARD_WARMUP d for a;  a beta3 of 0 is sqrt(beta2)
 *           d_numerator <- beta3 d_numerator + the sum of d / d0 a <g, p0 - p>
 *           h = d_coef d_numerator / the sum of |s|;  d <- max(d, h) while it is d0;  d_max <- max(d_max, h)
 *           d <- min(d_max, growth_rate d);  p <- (1 - a weight_decay) p - a m / (sqrt(v) + d eps)
 *           Sums are over all parameters of the step that have this algorithm, in their order, in fp64; the scalars are
 *           those of the one that has taken the most steps, the first of several, and the same in all from then on.
 *           d0, d_coef, growth_rate and beta3 of the first parameter's group make the new d. Sums that are no numbers
 *           leave it as it is. Where lr is 0 nothing of the parameter moves, and it is not summed; where all gradients
 *           so far were 0 nothing moves. Decoupled by default. Mishchenko, Defazio: Prodigy. arXiv:2306.06101
 * MARS      [last_grad q, exp_avg m, exp_avg_sq v] c = g + gamma beta1 / (1 - beta1) (g - q);  q <- g
 *           c <- c / max(1, |c|), which is over all elements of the parameter;  m, v as Adam's of c for g
 *           p <- (1 - lr weight_decay) p - lr m / c1 / (sqrt(v / c2) + eps). Decay is decoupled always; a norm that is
 *           NaN clips nothing, and one that is infinite leaves 0 of c. Yuan, Liu, Wu, Zhou, Gu: MARS. arXiv:2411.10438,
 *           algorithm 2, its approximate form
 * Adam-mini [exp_avg m, exp_avg_mean_sq v: one for each block of block_size first indices, 1 by default, and with 0 one in
 *           all] m as Adam's;  v <- v + (1 - beta2) (mean of g^2 over the block - v), the sum in fp64, in an order that the
 *           sizes alone decide;  p <- (1 - lr weight_decay) p - lr / c1 m / (sqrt(v / c2) + eps). Decay is decoupled
 *           always. With a block_size of 1 rows of a matrix have a number each, and so have elements of a vector. Zhang
 *           et al.: Adam-mini: use fewer learning rates to gain more. arXiv:2406.16793, algorithm 1
 * SOAP      [exp_avg m, exp_avg_sq v; gram_rows L, basis_rows Q; gram_columns R, basis_columns P] for parameters of two
 *           dimensions or more, of which all but the first are a row; with a block_size, each block of so many rows and
 *           columns is a matrix of its own. The first step makes Q and P of the eigenvectors of L and R, that of the
 *           largest eigenvalue first, and nothing else. Then, with t and c counted without it
 *           g <- Q' g P;  m, v as Adam's;  u = Q m / (sqrt(v) + eps) P'
 *           p <- (1 - lr weight_decay) (p - lr a u),  a = sqrt(c2) / c1 with BIAS_CORRECTION, a default, else 1
 *           L <- beta3 L + (1 - beta3) g g', R <- beta3 R + (1 - beta3) g' g, of the gradient as it came
 *           after every precondition_frequency steps: Q <- the orthogonal factor of L Q, its columns in the order of
 *           the diagonal of Q' L Q, each of which goes where it came from;  P likewise;  m from the old bases to the new
 *           A side whose blocks are longer than max_precond_dim has no L and Q, which are the identity. Matrices are
 *           worked on in fp32. The same bits for any threads, on one instruction set. Vyas, Morwani, Zhao, Kwun, Shapira,
 *           Brandfonbrener, Janson, Kakade: SOAP. arXiv:2409.11321, as its authors' code has it
 * Shampoo   [exp_avg m; with GRAFT_ADAM exp_avg_sq v; gram_rows L, root_rows; gram_columns R, root_columns] for parameters as
 *           SOAP's, in blocks as there;  L <- rho L + (1 - rho) g g', R <- rho R + (1 - rho) g' g, with a rho of 1 sums;
 *           m as Adam's;  u = (L / cr + eps)^(-1/4) m / c1 (R / cr + eps)^(-1/4), with roots of the first step and then
 *           every precondition_frequency steps; cr = 1 - rho^t, 1 with a rho of 1;  c1, c2, cr without BIAS_CORRECTION, a
 *           default, are 1. Eigenvalues under 0 are moved up to it, and all others as far
 *           p <- (1 - lr weight_decay) p - lr u, with GRAFT_ADAM lr |a| / |u| u, a = m / c1 / (sqrt(v / c2) + eps2), norms
 *           over all of the parameter. Decay is decoupled always. Matrices and bits as in SOAP. Gupta, Koren, Singer:
 *           Shampoo. arXiv:1802.09568; Shi et al., arXiv:2309.06497
 *
 * Rounding. Averages are formed with fused products (product and sum rounded once) on every instruction set:
 * m + (1 - beta) (x - m) where 1 - beta is under 1/2, else x - beta (x - m); for squares beta v and
 * ((1 - beta) g) g, with beta in two parts, so that rounding it to fp32 loses nothing. Adam's step size is in
 * two parts too. Bias corrections are inside the step size and eps, formed in fp64. Everything else is rounded
 * operation by operation.
 * ------------------------------------------------------------------------------------------------- */

#define MARTLET_ADAM 1
#define MARTLET_ADAMW 2
#define MARTLET_SGD 3
#define MARTLET_RMSPROP 4
#define MARTLET_ADAGRAD 5
#define MARTLET_ADADELTA 6
#define MARTLET_RPROP 7
#define MARTLET_ASGD 8
#define MARTLET_ADAMAX 9
#define MARTLET_NADAM 10
#define MARTLET_RADAM 11
#define MARTLET_ADABOUND 12
#define MARTLET_ADABELIEF 13
#define MARTLET_ADAN 14
#define MARTLET_LION 15
#define MARTLET_ADEMAMIX 16
#define MARTLET_SIMPLIFIED_ADEMAMIX 17
#define MARTLET_ADOPT 18
#define MARTLET_LAPROP 19
#define MARTLET_SCHEDULE_FREE_SGD 20
#define MARTLET_SCHEDULE_FREE_ADAMW 21
#define MARTLET_SCHEDULE_FREE_RADAM 22
#define MARTLET_ADAFACTOR 23
#define MARTLET_LAMB 24
#define MARTLET_LARS 25
#define MARTLET_STABLE_ADAMW 26
#define MARTLET_MUON 27
#define MARTLET_PRODIGY 28
#define MARTLET_MARS 29
#define MARTLET_SOAP 30
#define MARTLET_SHAMPOO 31
#define MARTLET_ADAM_MINI 32

/* Whose convention is followed where libraries differ. TORCH: as written above. One that says nothing of an
 * algorithm is an ARGUMENT error. Defaults of hyperparameters are those of torch, or of the algorithm's own code,
 * in all.
 *   KERAS  decay is always decoupled, in all that have one but Schedule-Free. Adam: eps beside the uncorrected
 *          sqrt(v). SGD with a momentum and RMSprop with one: lr inside b. RMSprop, Adagrad: sqrt(v + eps).
 *          Adamax: u <- max(beta2 u, |g|), u + eps. NAdam: 1 for momentum_decay. Adafactor: eps, or 1e-30 for 0,
 *          is added to g^2 and bounds nothing, and decay comes before rms(p) is taken. LAMB: before |p| is taken
 *   OPTAX  Adam, AdamW: AMSGrad keeps the largest bias-corrected v. RMSprop, Adagrad: sqrt(v + eps), RMSprop's lr
 *          inside b. NAdam: beta1 for each mu_t. RAdam: from rho >= 5 on, eps beside the corrected root. Adan: 1 - beta2
 *          for the beta2 that d and w are multiplied by, and a decoupled decay without a quotient. Adafactor: as in
 *          Keras, and lr for min(lr, 1 / sqrt(t)). LARS: |g + weight_decay p| for the sum of norms, lr inside u, and a
 *          dampening of 0 alone
 *   PAPER  Adam, AdamW: AMSGrad without bias corrections. Their decoupled decay is not scaled by lr:
 *          p <- (1 - weight_decay) p. RAdam: from rho >= 5 on. LaProp: lr outside of m, p <- p - lr / c1 m.
 *          Adafactor: as in Keras */
#define MARTLET_SEMANTICS_TORCH 0
#define MARTLET_SEMANTICS_KERAS 1
#define MARTLET_SEMANTICS_OPTAX 2
#define MARTLET_SEMANTICS_PAPER 3

/* Flags of a config. One that the algorithm does not read (martlet_algorithm_flags) is an ARGUMENT error. */
#define MARTLET_AMSGRAD 1u
#define MARTLET_MAXIMIZE 2u
/* Numbers too small for the normal range count as zero during the call (on x86-64 and arm64): off where eps
 * is under 1e-10, on with any other and in algorithms without one, unless one of these two says otherwise. A
 * moment whose gradient stays zero otherwise ends as such a number, and slows every later step down. */
#define MARTLET_FLUSH_DENORMALS 4u
#define MARTLET_KEEP_DENORMALS 8u
/* Hyperparameters may be any finite numbers, as schedules of other libraries leave them: a negative rate,
 * a beta of 1 or more. With this flag or without, a step of a parameter is an ARGUMENT error where they give no
 * finite step size, as a beta1 of 1 does, whose bias correction is 0. */
#define MARTLET_WIDE_RANGES 16u
/* Weight decay. Without any of these it is added to the gradient (L2: g <- g + weight_decay p), but for
 * AdamW and with MARTLET_SEMANTICS_KERAS, which decouple it always: p <- (1 - lr weight_decay) p.
 *   DECOUPLED  so everywhere. Loshchilov, Hutter: Decoupled weight decay regularization. ICLR 2019
 *   CAUTIOUS   so, but in elements that the step moves away from 0: where u p >= 0 for a step of -u. Chen, Li,
 *              Liang, Su, Xie, Wang, Liu, Liu: Cautious weight decay. arXiv:2510.12402, algorithm 1
 *   CORRECTED  so, with lr^2 / lr_max for lr, where lr_max is the largest lr of any step so far and a slot of
 *              the state. Defazio: Why gradients rapidly increase near the end of training. arXiv:2506.02285 */
#define MARTLET_DECOUPLED_DECAY 32u
#define MARTLET_CAUTIOUS_DECAY 64u
#define MARTLET_CORRECTED_DECAY 128u
/* What these change stands beside the algorithms that read them. */
#define MARTLET_NESTEROV 256u
#define MARTLET_CENTERED 512u
#define MARTLET_RECTIFY 1024u
#define MARTLET_SAFEGUARD_WARMUP 2048u
#define MARTLET_BIAS_CORRECTION 4096u
#define MARTLET_MATCH_RMS 8192u
#define MARTLET_SPECTRAL 16384u
#define MARTLET_QUINTIC 32768u
#define MARTLET_POLAR_EXPRESS 65536u
#define MARTLET_GRAFT_ADAM 262144u
#define MARTLET_NORMUON 524288u
/* A step's update leaves out what goes against the gradient, and makes up for it: with u for what a step without
 * decoupled decay takes off, p <- decay p - a u / max(mean of a, 0.001), where a is 1 in elements with u g > 0 and 0 in
 * others, over the parameter; g has weight_decay p in it where decay is not decoupled. Not in algorithms whose u depends on
 * p otherwise (ASGD, Schedule-Free, Adafactor, LAMB, LARS), takes several forms (SOAP, Shampoo), or always goes along g
 * (Adagrad, Adadelta, Rprop). Signs are compared, so that no product is too small; a NaN stays. What CAUTIOUS_DECAY looks
 * at is a u. Liang, Chen, Liu, Liu: Cautious optimizers. arXiv:2411.16085, algorithm 1, with the
 * least mean of their code */
#define MARTLET_CAUTIOUS_UPDATE 131072u
/* Parameters of two dimensions or more keep their norm R = |p|, over all of the parameter, which is a slot of the state,
 * radius, from the first step on at which it is not 0: with u as above, w = p - lr R u / |u|, p <- R w / |w|. Those of
 * fewer are stepped as without it. A parameter stays where it is where R, |u| or |w| is 0 or infinite; a u whose norm is
 * under 1e-12, in Muon and else without its lr, makes a shorter step. weight_decay is to be 0, and neither CAUTIOUS_DECAY
 * and CORRECTED_DECAY nor Muon's scales stand beside it, which would change nothing: an ARGUMENT error. In all that read
 * CAUTIOUS_UPDATE but StableAdamW and Prodigy, whose own rates it would take away. With a NaN in u all of p is NaN. Wen,
 * Dang, Lyu, Ma, Liang: Fantastic pretraining optimizers and where to find them 2.1: Hyperball optimization. 2025 */
#define MARTLET_HYPERBALL 1048576u
/* How values of bf16 and fp16 take steps that are smaller than half of their last place, of which rounding to nearest leaves
 * nothing. Every algorithm reads these, and a config has one of them at most. The step is worked out in fp32 (fp64 beside an
 * array of that); n is what it makes of a value. Values of fp32 and fp64 are stepped as without; a slot beside them stays 0.
 *   STOCHASTIC_ROUNDING  n is rounded up with the chance that what rounding down takes stands for in 2^16 (fp16: 2^13): on
 *                        the mean nothing is lost. A number that the type has stays. The draws depend on seed,
 *                        the number of the step, and the parameter's key and offset alone, and on an element's place in
 *                        the order of its sizes; Threefry-2x32 with 13 rounds makes them. Past the largest number there
 *                        is infinity. What MARTLET_TRAINING and MARTLET_EVALUATION move is rounded to nearest
 *   KAHAN                what rounding takes is kept in kahan_comp, a slot of value's type, and added at the next step:
 *                        s = (n - p) + c;  q <- p + s, rounded;  c <- s - (q - p), rounded;  p <- q. Kahan: Further
 *                        remarks on reducing truncation errors. 1965; for optimizers Zamirai, Zhang, Aberger, De Sa:
 *                        Revisiting bfloat16 training. arXiv:2010.06192
 *   SPLIT                bf16 alone: with remainder, a slot of value's type, the bits of fp32, which is what is stepped, in
 *                        the same bytes: value is that rounded to nearest, ties away from 0, and remainder holds, as a
 *                        whole number of 16 bits with a sign and not as a bf16, how many last places of fp32 it is off. Where
 *                        value is infinite or NaN it stands alone. fp16 is a TYPE error
 * Slots of bf16 by which values are divided, those that may be UFLOAT8, are rounded at random too, beside values of fp32 and
 * fp16, and beside those of bf16 where a config has one of these flags: to nearest, what moves by a thousandth of itself at a
 * step would stand still. Their draws are those of state of 8 bits. Where values are of bf16 and none of the flags is set they
 * are rounded to nearest, as torch's are, and where gradients name rows; with MARTLET_DEFER_ROWS that is an UNSUPPORTED
 * error */
#define MARTLET_STOCHASTIC_ROUNDING 134217728u
#define MARTLET_KAHAN 268435456u
#define MARTLET_SPLIT 536870912u

/* SGD, Adam, AdamW, Adagrad and RMSprop, for gradients of rows: their steps mean what those of dense gradients would mean, with
 * 0 in all other rows, which catch up later. martlet_parameter says how. */
#define MARTLET_DEFER_ROWS 1073741824u

/* Lookahead, around the steps of any algorithm: with a lookahead_steps of k over 0 a parameter has slow weights s, a slot
 * slow_params, which start as p before the first step that has them, and behind every k-th step from there on
 *   s <- s + lookahead_alpha (p - s);  p <- s
 * The scalar lookahead_step counts the steps since the last of these, 1 to k, and is 0 before the first: where it is 0, s
 * starts anew. Moments stay as they are. Schedule-Free's p is the point where gradients are taken. Zhang, Lucas, Hinton, Ba:
 * Lookahead optimizer: k steps forward, 1 step back. NeurIPS 2019, algorithm 1 */

/* Around the steps of any algorithm, gradients are
 *   unscaled        divided by loss_scale, which the loss was multiplied by
 *   looked at       with SKIP_NONFINITE a call takes no step at all, and changes nothing, where a gradient of such a group has
 *                   a NaN or an infinity, or fp64 numbers over 1e154; the report names the first. Without, or with MEASURE, it
 *                   reports what it finds where gradients are looked at, and steps
 *   clipped         in one of three ways, by a number that is infinity where it is not in use:
 *                   max_norm    multiplied by min(1, max_norm / (n + 1e-6)), n the norm of all gradients of the call whose
 *                               groups ask to be looked at, each divided by its group's loss_scale
 *                   clip_norm   the same with the norm of each parameter's own gradient
 *                   clip_value  each element kept within +-clip_value
 *                   With KERAS, OPTAX and PAPER nothing is added to n. A norm that is infinite or NaN gives zeros and NaN,
 *                   as in torch
 * before L2 decay and all else, and as they are read: no array of the caller's is changed. One pass over the gradients comes
 * before the step where norms or SKIP_NONFINITE are asked for; squares are summed in fp64, in an order that counts and the
 * order of elements in memory decide, with the same bits for any threads. The norm is of sums in the order of the call */
#define MARTLET_SKIP_NONFINITE 2097152u
#define MARTLET_MEASURE 4194304u

/* Around the steps of any algorithm, too, in this order:
 *   accumulated     with an accumulate of k over 1 (MARTLET_ACCUMULATE_STEPS), of every k calls with a gradient the last one
 *                   steps, by the mean of their gradients: a <- a + (g - a) / j at the j-th, a slot grad_mean, which the step
 *                   takes for g and leaves 0. The scalar accumulated is j, 0 after a step. Before the last, nothing else is
 *                   written, counters neither. What is not finite drops the means of the call's parameters, where
 *                   SKIP_NONFINITE looks for it at each call. As optax's MultiSteps
 *   averaged        with an ema_decay d over 0, behind the step e <- e + w (p - e), a slot ema_params; its scalar ema_step, t,
 *                   counts these from 0. w is 1 at the first, then
 *                     1 - d
 *                     (1 - d) / (1 - d^(t + 1))        with EMA_CORRECTION, as Adam's moments are corrected
 *                     1 - min(d, (1 + t) / (10 + t))   with EMA_WARMUP, as TensorFlow's num_updates
 *                   Schedule-Free, which averages by itself, takes none. martlet_mode_set exchanges p and e
 *   copied          to the parameter's copy, where it has one
 *   zeroed          with ZERO_GRADS the call fills the gradients it has read with zeros, behind all else, skipped steps too
 * A slot that such a group keeps in bf16 or fp16 forgets what is small beside it: fp32 is what it has by default */
#define MARTLET_EMA_CORRECTION 8388608u
#define MARTLET_EMA_WARMUP 16777216u
#define MARTLET_ZERO_GRADS 33554432u
/* The report's update_norm is the norm of what the call has changed of the parameters of such groups; they are kept as they
 * were for that, so that the step takes their bytes once more, of the thread's own memory. Of shards it is that of all of them,
 * by one more call of reduce, behind the step */
#define MARTLET_MEASURE_UPDATE 67108864u

/* What an algorithm needs (martlet_algorithm_needs).
 *   WHOLE     a parameter of the network as one array with its sizes: a step sums over it, or sees matrices, so that
 *             parameters can be neither joined nor cut; so with MARTLET_CAUTIOUS_UPDATE or MARTLET_HYPERBALL every one
 *   MATRICES  sizes of two dimensions or more: a parameter of fewer is a SHAPE error */
#define MARTLET_NEEDS_WHOLE 1u
#define MARTLET_NEEDS_MATRICES 2u

/* Hyperparameters by number, for martlet_optimizer_set and _get: the fields of martlet_config in order. */
#define MARTLET_LR 1
#define MARTLET_BETA1 2
#define MARTLET_BETA2 3
#define MARTLET_BETA3 4
#define MARTLET_EPS 5
#define MARTLET_WEIGHT_DECAY 6
#define MARTLET_MOMENTUM 7
#define MARTLET_DAMPENING 8
#define MARTLET_ALPHA 9
#define MARTLET_RHO 10
#define MARTLET_LR_DECAY 11
#define MARTLET_INITIAL_ACCUMULATOR_VALUE 12
#define MARTLET_ETAMINUS 13
#define MARTLET_ETAPLUS 14
#define MARTLET_STEP_SIZE_MIN 15
#define MARTLET_STEP_SIZE_MAX 16
#define MARTLET_LAMBD 17
#define MARTLET_T0 18
#define MARTLET_MOMENTUM_DECAY 19
#define MARTLET_FINAL_LR 20
#define MARTLET_GAMMA 21
#define MARTLET_EPS_ROOT 22
#define MARTLET_EPS2 23
#define MARTLET_BETA2_DECAY 24
#define MARTLET_CLIPPING_THRESHOLD 25
#define MARTLET_R 26
#define MARTLET_WEIGHT_LR_POWER 27
#define MARTLET_WARMUP_STEPS 28
#define MARTLET_ALPHA_WARMUP 29
#define MARTLET_BETA3_WARMUP 30
#define MARTLET_TRUST_COEFFICIENT 31
#define MARTLET_D0 32
#define MARTLET_D_COEF 33
#define MARTLET_GROWTH_RATE 34
#define MARTLET_NS_STEPS 35
#define MARTLET_NS_A 36
#define MARTLET_NS_B 37
#define MARTLET_NS_C 38
#define MARTLET_BLOCKS 39
#define MARTLET_PRECONDITION_FREQUENCY 40
#define MARTLET_MAX_PRECOND_DIM 41
#define MARTLET_BLOCK_SIZE 42
#define MARTLET_LOOKAHEAD_STEPS 43
#define MARTLET_LOOKAHEAD_ALPHA 44
#define MARTLET_LOSS_SCALE 45
#define MARTLET_MAX_NORM 46
#define MARTLET_CLIP_NORM 47
#define MARTLET_CLIP_VALUE 48
#define MARTLET_EMA_DECAY 49
#define MARTLET_ACCUMULATE_STEPS 50

/* One struct for every algorithm. NaN means unused; a field that the algorithm reads must be a number
 * in range (or any finite one, with MARTLET_WIDE_RANGES; counts stay in their range), a field that it does not read
 * must be NaN.
 * Defaults are the algorithm's; martlet_config_init writes them. */
typedef struct martlet_config {
    uint32_t struct_size;
    int32_t algorithm;                /* MARTLET_ADAM, ... */
    int32_t semantics;                /* MARTLET_SEMANTICS_... */
    uint32_t flags;                   /* MARTLET_AMSGRAD, ... */
    uint64_t seed;                    /* of what is rounded at random; any number */
    double lr;                        /* learning rate, 0 or more */
    double beta1;                     /* decay rate of the first moment, 0 <= beta1 < 1 */
    double beta2;                     /* decay rate of the second moment, 0 <= beta2 < 1 */
    double beta3;                     /* decay rate of a third moment, 0 <= beta3 < 1 */
    double eps;                       /* added to a divisor, 0 or more */
    double weight_decay;              /* 0 or more */
    double momentum;                  /* 0 <= momentum < 1 */
    double dampening;                 /* 1 - dampening is the gradient's weight in the momentum */
    double alpha;                     /* 0 or more; its meaning is the algorithm's */
    double rho;                       /* decay rate of averages, 0 to 1 */
    double lr_decay;                  /* 0 or more */
    double initial_accumulator_value; /* of the sum of squares, 0 or more */
    double etaminus;                  /* factor of a step size after a change of sign, 0 < etaminus < 1 */
    double etaplus;                   /* factor of a step size after none, more than 1 */
    double step_size_min;             /* 0 or more */
    double step_size_max;             /* 0 or more */
    double lambd;                     /* 0 or more */
    double t0;                        /* a step, 0 or more */
    double momentum_decay;            /* 0 or more; its default where the convention does not read it */
    double final_lr;                  /* 0 or more */
    double gamma;                     /* 0 <= gamma < 1 */
    double eps_root;                  /* added under a root, 0 or more */
    double eps2;                      /* 0 or more */
    double beta2_decay;               /* power of the step, 0 or less */
    double clipping_threshold;        /* 1 or more */
    double r;                         /* power of the step */
    double weight_lr_power;           /* power of the rate */
    double warmup_steps;              /* 0 or more */
    double alpha_warmup;              /* steps, 0 or more */
    double beta3_warmup;              /* steps, 0 or more */
    double trust_coefficient;         /* 0 or more */
    double d0;                        /* an estimate at first, more than 0 */
    double d_coef;                    /* factor of the estimate, 0 or more */
    double growth_rate;               /* of the estimate in a step at most, 1 or more, and infinity */
    double ns_steps;                  /* iterations of Newton and Schulz, a whole number from 1 to 99 */
    double ns_a;                      /* their coefficients: of X, */
    double ns_b;                      /* of X X' X, */
    double ns_c;                      /* and of X X' X X' X */
    double blocks;                    /* matrices one above the other in a parameter, a whole number, 1 to 2^31 */
    double precondition_frequency;    /* steps from one refresh to the next, a whole number, 1 to 2^31 */
    double max_precond_dim;           /* the longest side that has a factor, a whole number, 0 to 2^31 */
    double block_size;                /* the longest side of a block, a whole number to 2^31; 0: sides are not cut.
                                         Adam-mini: first indices of a block, of which a parameter's are a multiple */
    double lookahead_steps;           /* from one look back to the next, a whole number to 2^31; 0: none. Every algorithm */
    double lookahead_alpha;           /* how far slow weights go, 0 to 1; unread without lookahead_steps. Every algorithm */
    double loss_scale;                /* more than 0; these too are read by every algorithm */
    double max_norm;                  /* of all gradients, 0 or more; infinity: any */
    double clip_norm;                 /* of each gradient, likewise */
    double clip_value;                /* of an element's size, likewise */
    double ema_decay;                 /* 0 or more and less than 1; 0: no average */
    double accumulate;                /* calls to a step, a whole number to 2^31; 0 and 1: one */
} martlet_config;

/* What kinds of slots there are: how many numbers one has for a parameter. */
#define MARTLET_SLOT_ELEMENTS 0 /* one for each of value, laid out as value's sizes say */
#define MARTLET_SLOT_SCALAR 1   /* one, contiguous, in fp64 or fp32; steps form it in fp64, so that fp32 rounds it */
/* These depend on whether value has sizes of two dimensions or more: a slot that a parameter does not
 * have keeps its place, with a count of 0, and is not in files. All are contiguous but a vector's, and none has
 * numbers where value has none. */
#define MARTLET_SLOT_ROWS 2     /* two or more: one for each row, count / last size; else none */
#define MARTLET_SLOT_COLUMNS 3  /* two or more: one for each column, count / last size but one; else none */
#define MARTLET_SLOT_VECTOR 4   /* two or more: none; else one for each of value, laid out as it */
/* Of value as a matrix of its first size by all others: a square of a side, row by row, for each block of the matrix,
 * row by row of these, in fp32 or fp64; no numbers where the side has no factor (martlet_slot_count). */
#define MARTLET_SLOT_ROW_SQUARES 5
#define MARTLET_SLOT_COLUMN_SQUARES 6
/* One for each of value's first size, in fp32 or fp64. */
#define MARTLET_SLOT_LEADING 7
/* One for each block of so many of value's first indices, which all values have, in fp32 or fp64. */
#define MARTLET_SLOT_BLOCKS 8

/* A piece of a parameter's state. */
typedef struct martlet_slot {
    const char *name;     /* "exp_avg"; static storage */
    int32_t kind;         /* MARTLET_SLOT_... */
    int32_t dtype;        /* the usual element type; 0: value's */
    int32_t dtype_8bit;   /* the type of 8 bits that it may have beside MARTLET_FP32 and its like; 0: none */
    int32_t dtype_4bit;   /* the same of 4 bits, */
    int32_t dtype_16bit;  /* and of 16 */
    int32_t reserved;     /* 0 */
} martlet_slot;           /* 32 bytes, for good */

/* Fills *out_config with the algorithm's defaults; writes struct_size bytes and none past them.
 * Fails with NULL, STRUCT (struct_size under 80 or over 4,096) and ARGUMENT (no such algorithm).
 * Since 0.1. */
martlet_status martlet_config_init(martlet_config *out_config, size_t struct_size, int32_t algorithm);

/* The algorithm's name, "adam"; NULL for a number that is none. Static storage. Since 0.1. */
const char *martlet_algorithm_name(int32_t algorithm);
/* The flags that the algorithm reads, as a sum; 0 for a number that is none. Since 0.1. */
uint32_t martlet_algorithm_flags(int32_t algorithm);
/* What the algorithm asks of parameters, as a sum; 0 for a number that is none. Since 0.1. */
uint32_t martlet_algorithm_needs(int32_t algorithm);
/* The name of a hyperparameter, "lr", which is martlet_config's field's; NULL for a number that is none.
 * Static storage. Since 0.1. */
const char *martlet_hyperparameter_name(int32_t hyperparameter);
/* How many slots of state a parameter has under this config: 2 for Adam, 3 with AMSGrad. Since 0.1. */
martlet_status martlet_algorithm_slot_count(int64_t *out_count, const martlet_config *config);
/* Describes a slot of this config, counted from 0, scalars last. Fails with NULL, the errors of a
 * config, and ARGUMENT where there is no such slot. Since 0.1. */
martlet_status martlet_slot_get(martlet_slot *out_slot, const martlet_config *config, int32_t slot);
/* How many numbers a slot of this config has for a value of so many sizes, none for a single number; INT64_MAX where they are
 * too many to count. sizes may be NULL
 * where rank is 0. Fails with NULL, ALIGNMENT, the errors of a config, ARGUMENT where there is no such slot, and SHAPE
 * where the sizes are none of an array. Since 0.1. */
martlet_status martlet_slot_count(int64_t *out_count, const martlet_config *config, int32_t slot, const int64_t *sizes,
                                  int32_t rank);

#ifdef __cplusplus
}
#endif
#endif /* MARTLET_ALGORITHMS_H */
