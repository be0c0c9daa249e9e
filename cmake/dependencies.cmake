# Everything comes from Debian's packages (scripts/setup.sh installs them).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(JSONC REQUIRED IMPORTED_TARGET json-c)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(FASTTEXT REQUIRED IMPORTED_TARGET fasttext)
pkg_check_modules(TEXTCAT REQUIRED IMPORTED_TARGET libexttextcat)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)

add_library(tfc_dependencies INTERFACE)
target_link_libraries(tfc_dependencies INTERFACE
  PkgConfig::CURL PkgConfig::JSONC PkgConfig::PCRE2 PkgConfig::SECCOMP PkgConfig::SQLITE PkgConfig::UTF8PROC
  PkgConfig::FASTTEXT PkgConfig::TEXTCAT PkgConfig::ZLIB Threads::Threads m)
add_library(tfc_cli_dependencies INTERFACE)
target_link_libraries(tfc_cli_dependencies INTERFACE PkgConfig::JSONC Threads::Threads m)
