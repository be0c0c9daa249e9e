// fastText behind a few C functions. The only C++ of the library.
#include "lang/fasttext_shim.h"

#include <cstdio>
#include <cstring>
#include <exception>
#include <fasttext/fasttext.h>
#include <memory>
#include <sstream>

extern "C" void *tfc_fasttext_load(const char *bytes, size_t n, char *why, size_t n_why)
{
    try {
        std::istringstream stream(std::string(bytes, n));
        stream.exceptions(std::ios::failbit | std::ios::badbit);
        auto model = std::make_unique<fasttext::FastText>();
        model->loadModel(stream);
        return model.release();
    } catch (const std::exception &e) {
        std::snprintf(why, n_why, "%s", e.what());
    } catch (...) {
        std::snprintf(why, n_why, "fastText failed");
    }
    return nullptr;
}

extern "C" void tfc_fasttext_free(void *model)
{
    delete static_cast<fasttext::FastText *>(model);
}

extern "C" size_t tfc_fasttext_predict(const void *model, const char *text, size_t n, tfc_lang_guess *guesses,
                                       size_t max)
{
    static const char label[] = "__label__";
    const size_t n_label = sizeof label - 1;
    try {
        std::istringstream stream(std::string(text, n) + "\n");
        std::vector<std::pair<fasttext::real, std::string>> found;
        static_cast<const fasttext::FastText *>(model)->predictLine(stream, found, static_cast<int>(max),
                                                                    0.0f);
        size_t count = 0;
        for (const auto &guess : found) {
            const bool labelled = guess.second.compare(0, n_label, label) == 0;
            if (count == max || !labelled) continue;
            std::snprintf(guesses[count].code, sizeof guesses[count].code, "%s",
                          guess.second.c_str() + n_label);
            guesses[count++].confidence = guess.first < 1 ? static_cast<double>(guess.first) : 1.0;
        }
        return count;
    } catch (...) {
        return 0;
    }
}
