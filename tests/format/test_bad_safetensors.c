/* Broken safetensors files and indexes, one defect each, and the words that the error must hold. */
#include "format/bad_files.h"

#define UP_PROJ "model.layers.0.mlp.up_proj.weight"

static const bad_file weights[] = {
    {"empty.safetensors", "truncated: safetensors header", NULL},
    {"header_beyond_file.safetensors", "header of 1548 bytes runs past the end of the file", NULL},
    {"header_200mb.safetensors", "header of 200000000 bytes runs past the end of the file", NULL},
    {"header_length_huge.safetensors", "runs past the end of the file", NULL},
    {"header_not_json.safetensors", "header: invalid JSON at byte", NULL},
    {"header_truncated_json.safetensors", "header: invalid JSON", NULL},
    {"header_is_array.safetensors", "header: object expected", NULL},
    {"header_nul.safetensors", "header: invalid JSON", "NUL"},
    {"header_invalid_utf8.safetensors", "header: invalid UTF-8", NULL},
    {"header_deep.safetensors", "header: nested too deeply", NULL},
    {"duplicate_key.safetensors", "duplicate", UP_PROJ},
    {"truncated_data.safetensors", "tensor data outside the file", "model.layers.0.mlp.down_proj.weight"},
    {"trailing_bytes.safetensors", "file longer than its tensors by 7 bytes", NULL},
    {"offsets_overlap.safetensors", "overlap", UP_PROJ},
    {"offsets_reversed.safetensors", "data_offsets reversed", UP_PROJ},
    {"offsets_hole.safetensors", "tensor data not contiguous: 64 bytes", NULL},
    {"offsets_beyond_file.safetensors", "tensor data outside the file", UP_PROJ},
    {"offset_negative.safetensors", "data_offsets: unsigned integers expected", UP_PROJ},
    {"offset_fraction.safetensors", "data_offsets: unsigned integers expected", UP_PROJ},
    {"offset_beyond_u64.safetensors", "data_offsets: out of range", UP_PROJ},
    {"dtype_unknown.safetensors", "unknown dtype 'F12'", UP_PROJ},
    {"dtype_integer.safetensors", "dtype I32", UP_PROJ},
    {"size_mismatch.safetensors", "tensor size and shape disagree", UP_PROJ},
    {"shape_overflow.safetensors", "tensor size overflows", UP_PROJ},
    {"shape_transposed.safetensors", UP_PROJ ": shape [4, 3]", "[3, 4]"},
    {"dtype_missing.safetensors", "dtype missing", UP_PROJ},
    {"tensor_missing.safetensors", "missing tensor " UP_PROJ, NULL},
    {"weights_nan.safetensors", "non-finite weight in " UP_PROJ, NULL},
};
static const bad_file indexes[] = {
    {"missing_shard", "cannot open", "model-00002-of-00002.safetensors"},
    {"tensor_not_in_shard", UP_PROJ, "is not in its shard model-00001-of-00001.safetensors"},
    {"path_escapes", "shard name must be a plain file name", "etc/passwd"},
    {"not_json", "model.safetensors.index.json: invalid JSON", NULL},
};
enum { N_WEIGHTS = sizeof weights / sizeof *weights, N_INDEXES = sizeof indexes / sizeof *indexes };

static void test_weights(void **state)
{
    (void)state;
    expect_complete(fixture("bad/hf/weights", ""), weights, N_WEIGHTS);
    for (int i = 0; i < N_WEIGHTS; i++) {
        hf_good();
        hf_put("model.safetensors", fixture("bad/hf/weights", weights[i].name));
        expect_refused(hf_folder, &weights[i]);
    }
    hf_good();
    expect_opens(hf_folder);
}

static const char shard[] = "model-00001-of-00001.safetensors", index_name[] = "model.safetensors.index.json";

static void index_folder(const char *name)
{
    char folder[64], path[128];
    snprintf(folder, sizeof folder, "bad/hf/index/%s", name);
    hf_good();
    snprintf(path, sizeof path, "%s/model.safetensors", hf_folder);
    unlink(path);
    hf_put(shard, fixture(folder, shard));
    hf_put(index_name, fixture(folder, index_name));
}

static void test_indexes(void **state)
{
    (void)state;
    expect_complete(fixture("bad/hf/index", ""), indexes, N_INDEXES);
    for (int i = 0; i < N_INDEXES; i++) {
        index_folder(indexes[i].name);
        expect_refused(hf_folder, &indexes[i]);
    }
}

/* The sound weights as two shards: `missing_shard` lacks but the second one, here the sound file itself. */
static void test_shards(void **state)
{
    (void)state;
    index_folder("missing_shard");
    hf_put("model-00002-of-00002.safetensors", fixture("bad/hf/good", "model.safetensors"));
    expect_opens(hf_folder);
    expect_survives_memory(hf_folder);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    hf_good();
    expect_survives_memory(hf_folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_indexes),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, hf_make, hf_remove);
}
