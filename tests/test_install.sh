#!/usr/bin/env bash
# Installs into an empty folder, moves it, and builds a stranger's program against it twice: with
# pkg-config and with find_package. Usage: test_install.sh
# BUILD_FOLDER CMAKE_GENERATOR COMPILER COMPILER_FLAGS
set -euo pipefail

build=$1 generator=$2 cc=$3 flags=${4:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" >"$work/log" || { cat "$work/log"; exit 1; }
mv "$work/first" "$work/prefix"
prefix=$work/prefix

cat >"$work/main.c" <<'PROGRAM'
#include <repopt/repopt.h>
#include <stdio.h>

int main(void) {
    rep_config *config = NULL;
    if (rep_config_create(&config) != REP_OK) { return 1; }
    const char *const wrong[] = {"SOLVER.BASE_LP", "1"};
    const rep_status status = rep_config_merge_pairs(config, 2, wrong);
    printf("%s %s %s\n", REP_VERSION, rep_status_name(status), rep_last_error());
    rep_config_destroy(config);
    return status == REP_ERR_CONFIG ? 0 : 1;
}
PROGRAM

# The program says the version and fails the way the library means it to.
check() {
    "$2" >"$work/said" || { echo "$1: the program failed"; cat "$work/said"; exit 1; }
    grep -q 'ERR_CONFIG.*SOLVER.BASE_LR' "$work/said" || { echo "$1: unexpected:"; cat "$work/said"; exit 1; }
    echo "$1: $(cat "$work/said")"
}

pc=$(dirname "$(find "$prefix" -name repopt.pc)")
export PKG_CONFIG_PATH=$pc
# shellcheck disable=SC2046,SC2086  # both are lists of words
"$cc" $flags "$work/main.c" -o "$work/with-pkg-config" $(pkg-config --cflags --libs repopt)
check pkg-config "$work/with-pkg-config"
[ "$(pkg-config --modversion repopt)" = "$("$work/with-pkg-config" | cut -d' ' -f1)" ] ||
    { echo "repopt.pc and version.h disagree"; exit 1; }

cat >"$work/CMakeLists.txt" <<'PROJECT'
cmake_minimum_required(VERSION 3.21)
project(stranger C)
find_package(repopt 0.1 REQUIRED)
add_executable(stranger main.c)
target_link_libraries(stranger PRIVATE repopt::repopt)
PROJECT
cmake -G "$generator" -S "$work" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_C_FLAGS="$flags" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cmake --build "$work/build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
check find_package "$work/build/stranger"

if [ -x "$prefix/bin/repopt" ]; then
    "$prefix/bin/repopt" --version | grep -q '^repopt [0-9]' || { echo "bin/repopt has no version"; exit 1; }
fi
for file in share/repopt/configs/cifar10/search.yaml include/repopt/ops.def; do
    [ -s "$prefix/$file" ] || { echo "$file is not installed"; exit 1; }
done
