/* Broken GGUF files, one defect each, and the words that the error must hold. */
#include "format/bad_files.h"

static const bad_file table[] = {
    {"empty.gguf", "truncated: header", NULL},
    {"truncated_in_magic.gguf", "truncated: header", NULL},
    {"truncated_in_header.gguf", "truncated: header", NULL},
    {"truncated_in_kv.gguf", "truncated: metadata", "tokenizer.ggml.tokens"},
    {"truncated_in_tensor_info.gguf", "truncated: tensor table", NULL},
    {"truncated_in_data.gguf", "truncated: tensor data", "blk.0.ffn_down.weight"},
    {"no_data_section.gguf", "truncated: tensor data", NULL},
    {"wrong_magic.gguf", "not a GGUF file", NULL},
    {"version_99.gguf", "unsupported version 99", NULL},
    {"version_1.gguf", "unsupported version 1 ", NULL},
    {"version_big_endian.gguf", "big-endian file unsupported", NULL},
    {"n_tensors_huge.gguf", "tensor count 1152921504606846976 is larger than the file can hold", NULL},
    {"n_kv_huge.gguf", "metadata count 1152921504606846976 is larger than the file can hold", NULL},
    {"key_length_huge.gguf", "string that runs past the end of the file", NULL},
    {"string_length_huge.gguf", "string runs past the end of the file", "general.name"},
    {"array_length_huge.gguf", "array runs past the end of the file", "tokenizer.ggml.tokens"},
    {"array_unknown_type.gguf", "unknown value type 77", "tokenizer.ggml.token_type"},
    {"array_nested.gguf", "nested arrays unsupported", "tokenizer.ggml.token_type"},
    {"array_nested_deep.gguf", "nested arrays unsupported", "tokenizer.ggml.token_type"},
    {"kv_unknown_type.gguf", "unknown value type 13", "llama.context_length"},
    {"kv_wrong_type.gguf", "llama.block_count: number expected", NULL},
    {"kv_bool_is_2.gguf", "boolean must be 0 or 1", "x.flag"},
    {"kv_duplicate.gguf", "duplicate key llama.block_count", NULL},
    {"architecture_missing.gguf", "missing key general.architecture", NULL},
    {"architecture_unknown.gguf", "unsupported architecture 'llame'", NULL},
    {"architecture_with_nul.gguf", "unsupported architecture 'llama?x'", NULL},
    {"head_count_0.gguf", "llama.attention.head_count must be positive", NULL},
    {"head_count_huge.gguf", "head_count 4294967295 does not divide", "embedding_length 4"},
    {"heads_kv_not_dividing.gguf", "head_count 2 is no multiple of", "head_count_kv 3"},
    {"block_count_huge.gguf", "missing tensor blk.1.", NULL},
    {"embedding_length_wrong.gguf", "token_embd.weight: shape [9, 4]", "[9, 8]"},
    {"embedding_length_missing.gguf", "missing key llama.embedding_length", NULL},
    {"rms_epsilon_nan.gguf", "layer_norm_rms_epsilon must be finite and positive", "nan"},
    {"rope_base_0.gguf", "rope.freq_base must be finite and positive", "not 0"},
    {"rope_dimension_odd.gguf", "rope.dimension_count must be even and at most the head size 2", "not 1"},
    {"alignment_0.gguf", "general.alignment must be a power of two", "not 0"},
    {"alignment_24.gguf", "general.alignment must be a power of two", "not 24"},
    {"tensor_dims_overflow.gguf", "tensor size overflows", "token_embd.weight"},
    {"tensor_dims_wrap_to_small.gguf", "tensor size overflows", "token_embd.weight"},
    {"tensor_dim_0.gguf", "dimension 0", "token_embd.weight"},
    {"tensor_n_dims_9.gguf", "too many dimensions (9", "token_embd.weight"},
    {"tensor_n_dims_huge.gguf", "too many dimensions (4294967295", "token_embd.weight"},
    {"tensor_type_unknown.gguf", "unknown tensor type 200", "blk.0.ffn_up.weight"},
    {"tensor_type_removed.gguf", "unsupported tensor type 4", "blk.0.ffn_up.weight"},
    {"tensor_row_not_whole_blocks.gguf", "row length 4 is no multiple of the block of Q4_0, 32",
     "blk.0.ffn_up.weight"},
    {"tensor_offset_beyond_file.gguf", "lies outside the file", "output_norm.weight"},
    {"tensor_offset_overflow.gguf", "lies outside the file", "output_norm.weight"},
    {"tensor_offset_unaligned.gguf", "tensor offset 580 is not aligned to 32", "blk.0.ffn_down.weight"},
    {"tensor_offsets_overlap.gguf", "blk.0.ffn_gate.weight and blk.0.ffn_up.weight overlap", NULL},
    {"tensor_duplicate.gguf", "duplicate tensor blk.0.ffn_up.weight", NULL},
    {"tensor_missing.gguf", "missing tensor blk.0.ffn_up.weight", NULL},
    {"tensor_shape_wrong.gguf", "blk.0.ffn_up.weight: shape [4, 3]", "[3, 4]"},
    {"weights_nan.gguf", "non-finite weight in blk.0.ffn_up.weight", NULL},
    {"vocab_fewer_tokens.gguf", "tokenizer.ggml.tokens has 8 tokens", "token_embd.weight has 9 rows"},
    {"token_types_short.gguf", "tokenizer.ggml.token_type", "5"},
    {"merges_unknown_token.gguf", "merge 0: unknown token", NULL},
    {"merges_one_part.gguf", "merge 0: two parts expected", NULL},
    {"eos_out_of_range.gguf", "eos_token_id 4000", "outside the vocabulary"},
    {"tokens_duplicate.gguf", "duplicate token 'a'", NULL},
};
enum { N = sizeof table / sizeof *table };

static void test_refused(void **state)
{
    (void)state;
    expect_complete(fixture("bad/gguf", ""), table, N);
    for (int i = 0; i < N; i++) expect_refused(fixture("bad/gguf", table[i].name), &table[i]);
    expect_opens(fixture("bad/gguf", "good.gguf"));
}

/* A file that is cut anywhere is refused. */
static void test_every_cut(void **state)
{
    (void)state;
    char *bytes, path[] = "/tmp/tfc-cut-XXXXXX";
    size_t n;
    tfc_error err;
    assert_int_equal(tfc_file_read(fixture("bad/gguf", "good.gguf"), 0, &bytes, &n, &err), TFC_OK);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    expect_opens(path);
    /* The last 16 bytes are padding behind the last tensor. */
    for (size_t i = n - 17;; i--) {
        assert_int_equal(ftruncate(fd, (off_t)i), 0);
        /* From a whole header on, the counts may be found too large for what is left. */
        const bad_file cut = {"a cut file", i < 24 ? "truncated: header" : "", NULL};
        expect_refused(path, &cut);
        if (i == 0) break;
    }
    close(fd);
    unlink(path);
    tfc_free(bytes);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    expect_survives_memory(fixture("bad/gguf", "good.gguf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, limit_memory, NULL);
}
