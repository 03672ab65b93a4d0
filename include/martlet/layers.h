/*
 * martlet/layers.h - the matrix product and layers: sections 10 and 11 of martlet.h, which includes it.
 */
#include "../martlet.h"

#ifndef MARTLET_LAYERS_H
#define MARTLET_LAYERS_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------------
 * 10. Matrix product
 * ------------------------------------------------------------------------------------------------- */

#define MARTLET_TRANSPOSE_LEFT 1u  /* left is stored as inner x rows */
#define MARTLET_TRANSPOSE_RIGHT 2u /* right is stored as columns x inner */
#define MARTLET_ACCUMULATE 4u      /* out += left right */

/* out = left right, in fp32.
 *
 * out      rows x columns, written (with MARTLET_ACCUMULATE read too)
 * left     rows x inner; right: inner x columns. All are contiguous, row after row
 * flags    MARTLET_TRANSPOSE_LEFT, ... or 0
 *
 * Sums go over inner in blocks of fixed bounds, so the bits are the same for every thread count on one
 * instruction set. Fails with NULL, SHAPE, ARGUMENT, ALIGNMENT, OVERLAP (out with a factor) and MEMORY.
 * Since 0.1. */
martlet_status martlet_matmul(float *out, const float *left, const float *right, int64_t rows, int64_t inner,
                              int64_t columns, uint32_t flags);

/* ---------------------------------------------------------------------------------------------------
 * 11. Layers
 *
 * A model is a graph of nodes. Node 0 is the first input; each layer, and each further input, adds one, and
 * names the nodes it reads. Everything is fp32, but inputs that an EMBEDDING reads, which are whole numbers. A
 * sample has 1 to 8 sizes, the batch not among them; images are height, width, channels, and sequences length,
 * channels. Equations: x is what the layer reads, y what it gives.
 *
 * DENSE                  y = activation(x kernel + bias) over the last size. kernel: inputs x units
 * CONV2D                 y[i,j,f] = activation(bias[f] + sum x[i s + r d - p, j s + q d - p, c] kernel[r,q,c,f]),
 *                        a cross-correlation with stride s, dilation d and p zeros at the border.
 *                        kernel: height x width x channels / groups x units
 * DEPTHWISE_CONV2D       y[i,j,c m + n] = activation(bias[c m + n] + sum x[i s + r d - p, j s + q d - p, c] kernel[r,q,c,n])
 *                        with m = units, filters of each channel. kernel: height x width x channels x units. Kernels of
 *                        one filter (m = 1) are quick; others are convolutions of as many groups as channels
 * CONV2D_TRANSPOSE       y[k,l,f] = activation(bias[f] + sum x[i,j,c] kernel[r,q,f,c] over i s + r d - p = k and
 *                        j s + q d - p = l): a convolution's gradient of its input, taken forward.
 *                        kernel: height x width x units x channels. With a kernel that spans n = d (height - 1) + 1 and
 *                        output_padding o, the output has (in - 1) s + n + o rows (VALID), that less pads (EXPLICIT, as
 *                        torch's padding), or (in - 1) s + n % 2 + o, of which as many are cut off before as behind, or one
 *                        less (SAME): Keras's sizes
 * MAX_POOL2D             the largest element of each window, each channel apart; NaN wins
 * AVERAGE_POOL2D         the mean of each window; zeros at the border count with MARTLET_COUNT_PADDING
 * GLOBAL_AVERAGE_POOL2D  the mean of each channel: channels
 * FLATTEN, RESHAPE       the same elements in the same order with other sizes
 * PERMUTE                the sizes in another order, elements moved along; dimensions that stay neighbours count
 *                        as one, and at most three of these change places (UNSUPPORTED otherwise)
 * DROPOUT                in training each element is 0 with probability rate, else x / (1 - rate).
 *                        Srivastava et al., JMLR 15, 2014
 * BATCH_NORM             y = activation(scale (x - mean) / sqrt(variance + epsilon) + shift) for each channel
 *                        (the last size); mean and variance are the batch's in training, where the moving
 *                        ones become momentum moving + (1 - momentum) batch, and the moving ones otherwise.
 *                        Ioffe, Szegedy: Batch normalization. ICML 2015
 * GAUSSIAN_NOISE         in training y = x + a number of the normal distribution, whose deviation is rate
 * NORMALIZATION          y = (x - mean) factor for each channel, with statistics that training leaves alone
 * LAYER_NORM             y = scale (x - mean) / sqrt(variance + epsilon) + shift, with the mean and variance of each
 *                        row (the last size), one scale and shift for each of its places. Ba, Kiros, Hinton:
 *                        Layer normalization. arXiv 1607.06450, 2016
 * RMS_NORM               y = scale x / sqrt(mean of x^2 + epsilon), likewise. Zhang, Sennrich: Root mean square layer
 *                        normalization. NeurIPS 2019
 * GROUP_NORM             as LAYER_NORM, with the mean and variance of each of groups runs of channels over all places of a sample,
 *                        and one scale and shift for each channel. Wu, He: Group normalization. ECCV 2018
 * ACTIVATION             y = activation(x)
 * CONV1D, MAX_POOL1D, AVERAGE_POOL1D, GLOBAL_AVERAGE_POOL1D
 *                        what the kinds of images do, over sequences; of kernel, stride and dilation they read the first
 *                        number, of pads the first two, before and after. CONV1D's kernel: length x channels / groups x
 *                        units
 * GLOBAL_MAX_POOL1D, 2D  the largest element of each channel: channels; NaN wins
 * EMBEDDING              y = the row of its table, embeddings: vocabulary x units, that each whole number of an input
 *                        names; the output has units as one more size. The table starts uniform within 0.05
 * LSTM                   over sequences, (steps, features): at each step z = x kernel + h recurrent_kernel + bias, of which
 *                        i, f, c and o are the first to the last quarter, and with s for recurrent_activation
 *                        m = s(f) m + s(i) activation(c), h = s(o) activation(m), both from zeros on; y is the last h, or
 *                        all (MARTLET_RETURN_SEQUENCES). kernel: features x 4 units; recurrent_kernel: units x 4 units.
 *                        Hochreiter, Schmidhuber: Long short-term memory. Neural Computation 9, 1997; Gers, Schmidhuber,
 *                        Cummins: Learning to forget. Neural Computation 12, 2000
 * GRU                    likewise, with z, r and g the thirds of x kernel + bias[0], and u, v and k those of
 *                        h recurrent_kernel + bias[1]: p = s(z + u), h = p h + (1 - p) activation(g + s(r + v) k).
 *                        kernel: features x 3 units; recurrent_kernel: units x 3 units; bias: 2 x 3 units. Cho et al.:
 *                        Learning phrase representations using RNN encoder-decoder. EMNLP 2014; k before the gate
 *                        that resets, as cuDNN has it. With MARTLET_RESET_FIRST, as they have it, k is
 *                        (s(r + v) h) times the last third of recurrent_kernel, and not multiplied again, and bias is one
 *                        row for all: 3 units
 * SIMPLE_RNN             likewise, h = activation(x kernel + h recurrent_kernel + bias)
 *                        Of LSTM, GRU and SIMPLE_RNN the h, and of LSTM the m, before the first step are zeros, or what further
 *                        nodes that they read give: units numbers each. In training they read x, and multiply h with
 *                        recurrent_kernel, where rate and recurrent_rate say so with some elements 0 and the others
 *                        divided by 1 - rate, by numbers that each sample has drawn once for all steps. Gal, Ghahramani: A
 *                        theoretically grounded application of dropout in recurrent neural networks. NeurIPS 2016
 * MASKING                y = x, over sequences, with zeros where all features of a step are offset: such steps are hidden
 *                        from the layers behind; or of two nodes, x and an input n of whole numbers, where n is offset, one
 *                        number for each step, or with MARTLET_LENGTHS behind the first n, one number for a sample, 0 to as
 *                        many as there are steps. A hidden step leaves h and m as they are. Of what reads a sequence with
 *                        hidden steps the recurrent layers and ATTENTION read which are; DENSE, ACTIVATION, DROPOUT,
 *                        GAUSSIAN_NOISE, LAYER_NORM, GROUP_NORM, RESCALING, NORMALIZATION and POSITION hand it on, and ADD,
 *                        MULTIPLY and CONCATENATE where all nodes have the same, as two have that hide steps of one node
 *                        by one number, and drop it where one has none; GLOBAL_AVERAGE_POOL1D takes the mean of steps that
 *                        are seen, 0 where none is; BATCH_NORM fails (UNSUPPORTED); others see all steps. Of an output with
 *                        hidden steps a loss is the mean over a batch's steps that are seen, 0 of none, and a metric that
 *                        over all that a call sees
 * ATTENTION              of three nodes, queries q, keys k and values v, of sequences, whose features are those of groups heads,
 *                        one behind another: for each head y[i] = sum w[i,j] v[j], with w[i] = softmax of q[i] k[j] / sqrt n
 *                        over the places j that i sees, n features of a head: all, or up to its own (MARTLET_CAUSAL), and
 *                        none that are hidden in k or v, where not both hide some of their own (UNSUPPORTED); 0 where i sees
 *                        none. In training w is dropped as by DROPOUT with rate. Steps that are hidden in q see as others do,
 *                        and are hidden in y. Vaswani et al.: Attention is all you need. NeurIPS 2017
 * POSITION               y[i] = row i of embeddings, units x features, over sequences of as many steps or fewer, whatever x is
 * TIED_DENSE             y = activation(x embeddings^T + bias) over the last size, with the table of an EMBEDDING, which is a
 *                        node before (table): one parameter, read twice, whose gradient is the sum of both. y has as many
 *                        numbers as the table rows; x has one for each of its columns (SHAPE). The embedding says whether
 *                        training changes the table, and is not sparse (UNSUPPORTED). Press, Wolf: Using the output embedding
 *                        to improve language models. EACL 2017
 * CROPPING1D             a sequence without its first pads[0] and its last pads[1] steps; where units is not 0, of these the
 *                        last units alone
 * ADD, MULTIPLY          the sum, or product, of nodes of one shape, element by element
 * CONCATENATE            nodes beside one another along a dimension, axis, in which alone they differ
 * ZERO_PADDING2D         images with pads rows and columns of zeros around them
 * UP_SAMPLING2D          each pixel kernel[0] kernel[1] times, one beside the other
 * RESCALING              y = x scale + offset
 * RANDOM_FLIP, RANDOM_CROP, RANDOM_TRANSLATION
 *                        images that training mirrors, each in half of all cases (flags say which way); of which it takes
 *                        a part of kernel[0] x kernel[1] pixels; or which it moves by up to kernel[0] pixels down or up
 *                        and kernel[1] left or right, zeros behind them, or as pads say by parts of pixels too. Each place
 *                        is as likely as any other, and each image of a batch has its own. Otherwise y = x, or the part in
 *                        the middle
 * INPUT                  a further input, whose samples have these sizes
 * OWN                    what a function of the caller's gives for up to 16 nodes: martlet_model_own_set. weights: units
 * ------------------------------------------------------------------------------------------------- */

#define MARTLET_LAYER_INPUT 0
#define MARTLET_LAYER_DENSE 1
#define MARTLET_LAYER_CONV2D 2
#define MARTLET_LAYER_MAX_POOL2D 3
#define MARTLET_LAYER_AVERAGE_POOL2D 4
#define MARTLET_LAYER_GLOBAL_AVERAGE_POOL2D 5
#define MARTLET_LAYER_FLATTEN 6
#define MARTLET_LAYER_RESHAPE 7
#define MARTLET_LAYER_PERMUTE 8
#define MARTLET_LAYER_DROPOUT 9
#define MARTLET_LAYER_BATCH_NORM 10
#define MARTLET_LAYER_NORMALIZATION 11
#define MARTLET_LAYER_ACTIVATION 12
#define MARTLET_LAYER_ADD 13
#define MARTLET_LAYER_MULTIPLY 14
#define MARTLET_LAYER_CONCATENATE 15
#define MARTLET_LAYER_EMBEDDING 16
#define MARTLET_LAYER_CONV1D 17
#define MARTLET_LAYER_MAX_POOL1D 18
#define MARTLET_LAYER_AVERAGE_POOL1D 19
#define MARTLET_LAYER_GLOBAL_AVERAGE_POOL1D 20
#define MARTLET_LAYER_GLOBAL_MAX_POOL1D 21
#define MARTLET_LAYER_GLOBAL_MAX_POOL2D 22
#define MARTLET_LAYER_LAYER_NORM 23
#define MARTLET_LAYER_ZERO_PADDING2D 24
#define MARTLET_LAYER_UP_SAMPLING2D 25
#define MARTLET_LAYER_RESCALING 26
#define MARTLET_LAYER_GAUSSIAN_NOISE 27
#define MARTLET_LAYER_RANDOM_FLIP 28
#define MARTLET_LAYER_RANDOM_CROP 29
#define MARTLET_LAYER_RANDOM_TRANSLATION 30
#define MARTLET_LAYER_GROUP_NORM 31
#define MARTLET_LAYER_DEPTHWISE_CONV2D 32
#define MARTLET_LAYER_CONV2D_TRANSPOSE 33
#define MARTLET_LAYER_LSTM 34
#define MARTLET_LAYER_GRU 35
#define MARTLET_LAYER_SIMPLE_RNN 36
#define MARTLET_LAYER_MASKING 37
#define MARTLET_LAYER_RMS_NORM 38
#define MARTLET_LAYER_ATTENTION 39
#define MARTLET_LAYER_OWN 40
#define MARTLET_LAYER_POSITION 41
#define MARTLET_LAYER_CROPPING1D 42
#define MARTLET_LAYER_TIED_DENSE 43

#define MARTLET_ACTIVATION_LINEAR 0     /* x */
#define MARTLET_ACTIVATION_RELU 1       /* max(x, 0) */
#define MARTLET_ACTIVATION_LEAKY_RELU 2 /* x, or slope x where x < 0 */
#define MARTLET_ACTIVATION_GELU 3       /* x (1 + erf(x / sqrt 2)) / 2 */
#define MARTLET_ACTIVATION_SILU 4       /* x / (1 + exp(-x)) */
#define MARTLET_ACTIVATION_TANH 5
#define MARTLET_ACTIVATION_SIGMOID 6    /* 1 / (1 + exp(-x)) */
#define MARTLET_ACTIVATION_SOFTMAX 7    /* exp(x) / sum exp(x) over the last size */
#define MARTLET_ACTIVATION_ELU 8        /* x, or exp(x) - 1 where x < 0 */
#define MARTLET_ACTIVATION_SELU 9       /* 1.0507 x, or 1.0507 1.67326 (exp(x) - 1) where x < 0: these numbers and their
                                           further digits are Klambauer et al.'s, 2017 */
#define MARTLET_ACTIVATION_SOFTPLUS 10  /* log(1 + exp(x)) */
#define MARTLET_ACTIVATION_HARD_SIGMOID 11 /* min(max(x + 3, 0), 6) / 6 */
#define MARTLET_ACTIVATION_MISH 12         /* x tanh(log(1 + exp(x))) */
#define MARTLET_ACTIVATION_EXPONENTIAL 13  /* exp(x) */

#define MARTLET_PADDING_VALID 0    /* none */
#define MARTLET_PADDING_SAME 1     /* out = ceil(in / stride); of an odd count the last side gets one more */
#define MARTLET_PADDING_EXPLICIT 2 /* the layer's pads */

/* How a kernel or bias starts. For kernels with fan_in inputs and fan_out outputs to each unit:
 * variance v = 2 / (fan_in + fan_out) (Glorot, Bengio 2010), 2 / fan_in (He et al. 2015), 1 / fan_in
 * (LeCun et al. 1998); uniform within sqrt(3 v), normal with that variance, cut at two deviations and
 * widened to keep it, as Keras does. */
#define MARTLET_INITIALIZER_ZEROS 0
#define MARTLET_INITIALIZER_CONSTANT 1 /* the value beside it */
#define MARTLET_INITIALIZER_GLOROT_UNIFORM 2
#define MARTLET_INITIALIZER_GLOROT_NORMAL 3
#define MARTLET_INITIALIZER_HE_UNIFORM 4
#define MARTLET_INITIALIZER_HE_NORMAL 5
#define MARTLET_INITIALIZER_LECUN_UNIFORM 6
#define MARTLET_INITIALIZER_LECUN_NORMAL 7
#define MARTLET_INITIALIZER_UNIFORM 8 /* within the value beside it, either sign */
#define MARTLET_INITIALIZER_NORMAL 9  /* with the value beside it as deviation */
/* Rows, or columns where they are fewer, that are orthogonal to one another and as long as the value beside it (over 0), of a
 * kernel seen as a matrix whose columns are its last size; 4,096 at most (UNSUPPORTED). Not for a bias. Saxe, McClelland,
 * Ganguli: Exact solutions to the nonlinear dynamics of learning in deep linear neural networks. ICLR 2014 */
#define MARTLET_INITIALIZER_ORTHOGONAL 10
/* Keras's VarianceScaling: v = value / n with the value beside it (over 0), its scale, and n = fan_in, fan_out or their mean;
 * normal and cut, normal and whole, or uniform. */
#define MARTLET_INITIALIZER_FAN_IN_NORMAL 11
#define MARTLET_INITIALIZER_FAN_IN_UNTRUNCATED_NORMAL 12
#define MARTLET_INITIALIZER_FAN_IN_UNIFORM 13
#define MARTLET_INITIALIZER_FAN_OUT_NORMAL 14
#define MARTLET_INITIALIZER_FAN_OUT_UNTRUNCATED_NORMAL 15
#define MARTLET_INITIALIZER_FAN_OUT_UNIFORM 16
#define MARTLET_INITIALIZER_FAN_AVERAGE_NORMAL 17
#define MARTLET_INITIALIZER_FAN_AVERAGE_UNTRUNCATED_NORMAL 18
#define MARTLET_INITIALIZER_FAN_AVERAGE_UNIFORM 19

/* Flags of a layer. */
/* In what follows LSTM stands for GRU and SIMPLE_RNN too, but where it is said otherwise. */
#define MARTLET_NO_BIAS 1u           /* DENSE, TIED_DENSE, convolutions, LSTM; BATCH_NORM, LAYER_NORM, GROUP_NORM: no shift */
#define MARTLET_NO_SCALE 2u          /* BATCH_NORM, LAYER_NORM, RMS_NORM, GROUP_NORM */
#define MARTLET_UNBIASED_VARIANCE 4u /* BATCH_NORM: the moving variance is that of a sample, as torch's */
#define MARTLET_COUNT_PADDING 8u     /* AVERAGE_POOL1D and 2D: as torch does by default */
#define MARTLET_FROZEN 16u           /* DENSE, convolutions, LSTM, EMBEDDING, POSITION, OWN and norms: training leaves the
                                        parameters as they are, and the bias of TIED_DENSE; BATCH_NORM takes its moving
                                        statistics then, and keeps them */
#define MARTLET_FLIP_HORIZONTAL 32u  /* RANDOM_FLIP: left and right change places */
#define MARTLET_FLIP_VERTICAL 64u    /* RANDOM_FLIP: top and bottom do */
#define MARTLET_BILINEAR 2048u       /* RANDOM_TRANSLATION with pads: between pixels both count, by how near they are; else the
                                        nearer is shown */
#define MARTLET_FILL_REFLECT 4096u   /* RANDOM_TRANSLATION with pads: around the image stands its mirror image, */
#define MARTLET_FILL_WRAP 8192u      /* or the image again, */
#define MARTLET_FILL_NEAREST 16384u  /* or its border; without any of them, offset */
#define MARTLET_SPARSE 1024u         /* EMBEDDING: the table's gradient is of the rows that a batch names, and training steps
                                        these alone, with their state: Adam then is torch.optim.SparseAdam. With
                                        MARTLET_DEFER_ROWS in the group the others follow later, to the bits of training without
                                        this flag; who reads the table between martlet_model_train and its like calls
                                        martlet_model_mode_set (EVALUATION) first. Groups that see a parameter as a whole,
                                        average or accumulate it or round it at random, and copies, do not take such a table
                                        (UNSUPPORTED, by martlet_model_compile and its like); l1 and l2 are 0 (ARGUMENT). Its
                                        state is never in 16, 8 or 4 bits with scales. In MARTLET_BUFFER_GRADIENTS the other
                                        rows are zeros; who has asked for that may write them: martlet_model_step steps all that
                                        are not zeros, and the table is then looked over as a whole at each call */
#define MARTLET_RETURN_SEQUENCES 128u /* LSTM: y is the h of all steps, in the order in which they are read */
#define MARTLET_GO_BACKWARDS 256u     /* LSTM: the last step is read first */
#define MARTLET_MASK_ZERO 32768u      /* EMBEDDING, over (steps): steps of row 0 are hidden, as by MASKING */
#define MARTLET_INPUT_ORDER 65536u    /* LSTM, with RETURN_SEQUENCES and GO_BACKWARDS: y is in the order of x */
#define MARTLET_ZERO_HIDDEN 131072u   /* LSTM, with RETURN_SEQUENCES: y is 0 at hidden steps, not the h that stays */
#define MARTLET_RETURN_STATE 524288u  /* LSTM: y has further rows, the last h, and of LSTM alone the last m: (steps + 2, units);
                                         without RETURN_SEQUENCES these rows alone. Hidden steps are not of these rows */
#define MARTLET_STATEFUL 1048576u     /* LSTM: h and m begin with what the batch before has left, sample by sample, in training,
                                         evaluation and prediction. Batches are of groups samples (SHAPE), and one thread at a
                                         time predicts (BUSY). They are statistics, "state" and "memory", groups x units, of
                                         zeros at first: who writes zeros into their views resets them */
#define MARTLET_RESET_FIRST 2097152u  /* GRU alone: the gate that resets comes before the product with h */
#define MARTLET_LENGTHS 4194304u      /* MASKING of two nodes: the second says how many steps are seen, (1) */
#define MARTLET_CAUSAL 262144u        /* ATTENTION: a place sees none behind its own */
#define MARTLET_UNIT_FORGET_BIAS 512u /* LSTM alone: the bias's second quarter starts as ones */

/* A layer's description. martlet_layer_init sets the defaults of its kind. An activation, flags and pads
 * that the kind does not read are an error where they are set (ARGUMENT); other fields that it does not read
 * are passed over. A shape has at most 2^40 elements, the input of MAX_POOL2D 2^31. */
typedef struct martlet_layer {
    uint32_t struct_size;
    int32_t kind;               /* MARTLET_LAYER_DENSE, ... */
    int32_t activation;         /* MARTLET_ACTIVATION_...: DENSE, TIED_DENSE, convolutions, BATCH_NORM, ACTIVATION; LSTM: TANH,
                                   or another but GELU, SILU, MISH and SOFTMAX (UNSUPPORTED) */
    uint32_t flags;             /* MARTLET_NO_BIAS, ...: 0; RANDOM_FLIP: both of its own; LSTM alone:
                                   MARTLET_UNIT_FORGET_BIAS */
    int64_t units;              /* DENSE: outputs; convolutions: filters; EMBEDDING: columns; LSTM: of h. 1 to 2^30;
                                   no default, but 1 for DEPTHWISE_CONV2D. OWN: numbers of its own, which begin at 0: 0,
                                   to 2^30. POSITION: rows of its table, at least the steps, to 2^30; 0: as many. CROPPING1D:
                                   steps, to 2^30; 0: all that are left */
    int64_t kernel[2];          /* convolutions (no default), pools (2, 2): height and width of the window, to 2^20;
                                   UP_SAMPLING2D: factors (2, 2); RANDOM_CROP: sizes (no default); RANDOM_TRANSLATION: the
                                   most pixels (0, 0); all to 2^20 */
    int64_t stride[2];          /* convolutions: 1, 1; pools: 0, 0, which means the window's; to 2^20 */
    int64_t dilation[2];        /* convolutions: 1, 1; to 2^20. Pools: 1, 1 alone (UNSUPPORTED) */
    int64_t pads[4];            /* with MARTLET_PADDING_EXPLICIT: top, bottom, left, right; less than the
                                   window that dilation spans. ZERO_PADDING2D, CROPPING1D: to 2^20. RANDOM_TRANSLATION: where
                                   one is not 0, the least and the most that images move down, and to the right, in 65,536ths
                                   of a pixel, -2^36 to 2^36, by any part of one: kernel is not read then */
    int64_t groups;             /* CONV1D and 2D: 1; divides channels and units. GROUP_NORM: 32, ATTENTION: 1; divide the
                                   channels, to 65,536. LSTM with MARTLET_STATEFUL: the samples of a batch, 1 to 2^20 */
    int32_t padding;            /* convolutions, pools: MARTLET_PADDING_VALID */
    int32_t rank;               /* INPUT, RESHAPE, PERMUTE, OWN: how many sizes follow */
    int64_t sizes[8];           /* INPUT: a sample's; RESHAPE: the output's, one may be -1 for what is left; PERMUTE: the
                                   input's dimension, from 0, that each of the output's is; OWN: the output's */
    double rate;                /* DROPOUT: 0.5; ATTENTION: 0; LSTM, the part of x: 0; 0 <= rate < 1. GAUSSIAN_NOISE: 0.5; 0
                                   or more */
    double slope;               /* LEAKY_RELU: 0.01; 0 or more */
    double momentum;            /* BATCH_NORM: 0.99; 0 <= momentum <= 1 */
    double epsilon;             /* BATCH_NORM, LAYER_NORM, GROUP_NORM: 1e-3; RMS_NORM: 1e-6; more than 0 */
    int32_t kernel_initializer; /* MARTLET_INITIALIZER_GLOROT_UNIFORM */
    int32_t bias_initializer;   /* MARTLET_INITIALIZER_ZEROS */
    double kernel_value;        /* what the initialisers that ask for a value take: 0 */
    double bias_value;
    const char *name;           /* UTF-8 of 1 to 200 bytes without '/' and unique, or NULL: the kind and a
                                   number, "dense", "dense_1" */
    int64_t vocabulary;         /* EMBEDDING: the rows of its table, 1 to 2^30; no default */
    int32_t axis;               /* CONCATENATE: the dimension that grows, from 0, or from the last where it is
                                   negative: -1 */
    int32_t table;              /* TIED_DENSE: the node of the EMBEDDING whose table it reads (ARGUMENT); no default */
    double scale;               /* RESCALING: 1 */
    double offset;              /* RESCALING, MASKING: 0; RANDOM_TRANSLATION with pads: what stands around images: 0 */
    int64_t output_padding[2];  /* CONV2D_TRANSPOSE: rows and columns more at the end, to 2^20; -1, as many as make the output
                                   (in - 1) s + max(span, s) with VALID, in s with SAME, none with EXPLICIT: -1, -1 */
    double l1;                  /* DENSE, convolutions, LSTM, EMBEDDING: l1 sum |w| + l2 sum w^2 over the kernel, or table, */
    double l2;                  /* is part of the loss and of its gradient where training changes the layer: 0, 0; 0 or more */
    int32_t recurrent_activation;  /* LSTM: s, SIGMOID, or another as for activation; not of SIMPLE_RNN */
    int32_t recurrent_initializer; /* LSTM: how recurrent_kernel starts: MARTLET_INITIALIZER_ORTHOGONAL */
    double recurrent_value;        /* the value beside it: 1 */
    double recurrent_rate;         /* LSTM: the part of h that training drops: 0; 0 <= recurrent_rate < 1 */
    int64_t still_row;             /* EMBEDDING: the row that gets no gradient as a row of y, as torch's padding_idx; -1: none,
                                      as of one that is sparse: -1 */
} martlet_layer;

/* Fills *out_layer with a kind's defaults; writes struct_size bytes and none past them. Fails with NULL,
 * STRUCT and ARGUMENT (no such kind). Since 0.1. */
martlet_status martlet_layer_init(martlet_layer *out_layer, size_t struct_size, int32_t kind);

#ifdef __cplusplus
}
#endif
#endif /* MARTLET_LAYERS_H */
