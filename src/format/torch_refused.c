/* torch_refused.c - the calls for which a pickle is refused by name. None would be made: repopt
 * calls nothing. They are told because another program might make them. */
#include <string.h>

#include "format/torch.h"

/* Calls that would do something: run code, start programs, reach files or the network. name NULL:
 * all of the module, and of modules below it. Where a name may well be that of somebody's own
 * package ("code", "requests"), only the functions known to do harm. */
static const struct {
    const char *module, *names; /* between spaces */
} refused[] = {
    {"builtins", " eval exec execfile compile open file input breakpoint apply __import__ "},
    {"os", NULL},
    {"posix", NULL},
    {"nt", NULL},
    {"sys", NULL},
    {"subprocess", NULL},
    {"_posixsubprocess", NULL},
    {"shutil", NULL},
    {"socket", NULL},
    {"ctypes", NULL},
    {"_ctypes", NULL},
    {"importlib", NULL},
    {"runpy", NULL},
    {"pty", NULL},
    {"pdb", NULL},
    {"bdb", NULL},
    {"cProfile", NULL},
    {"webbrowser", NULL},
    {"urllib", NULL},
    {"http.client", NULL},
    {"http.server", NULL},
    {"ftplib", NULL},
    {"smtplib", NULL},
    {"asyncio", NULL},
    {"signal", NULL},
    {"marshal", NULL},
    {"pip._internal", NULL},
    {"multiprocessing.util", NULL},
    {"numpy.testing", NULL},
    {"torch.hub", NULL},
    {"pip", " main "},
    {"imp", " load_source load_module load_compiled load_dynamic load_package "},
    {"commands", " getoutput getstatusoutput "},
    {"code", " interact InteractiveInterpreter InteractiveConsole "},
    {"timeit", " timeit repeat Timer main "},
    {"profile", " run runctx Profile "},
    {"requests", " get post put patch delete head options request Session "},
    {"requests.api", " get post put patch delete head options request "},
    {"types", " FunctionType CodeType "},
    {"operator", " methodcaller "},
    {"io", " open open_code FileIO "},
    {"_io", " open open_code FileIO "},
    {"codecs", " open "},
    {"tempfile", " mkstemp mkdtemp mktemp NamedTemporaryFile TemporaryFile "},
    {"pickle", " load loads Unpickler "},
    {"_pickle", " load loads Unpickler "},
    {"torch", " load save "},
    {"torch.serialization", " load save "},
    {"torch.jit", " load "},
};

bool rep_torch_module_is(rep_text module, const char *wanted, bool or_below) {
    if (rep_text_is(module, "__builtin__")) { return strcmp(wanted, "builtins") == 0; }
    const size_t length = strlen(wanted);
    return rep_text_is(module, wanted) ||
           (or_below && module.count > length && module.bytes[length] == '.' &&
            memcmp(module.bytes, wanted, length) == 0);
}

/* Whether `name` is one of the words of `names`. */
static bool is_word(rep_text name, const char *names) {
    for (const char *word = names + 1; *word;) {
        const size_t length = strcspn(word, " ");
        if (name.count == length && memcmp(name.bytes, word, length) == 0) { return true; }
        word += length + 1;
    }
    return false;
}

static bool is_refused_name(rep_text module, rep_text name) {
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (rep_torch_module_is(module, refused[i].module, !refused[i].names) &&
            (!refused[i].names || is_word(name, refused[i].names))) {
            return true;
        }
    }
    return false;
}

/* Cuts what stands before the last dot of `text` off and returns it; none: an empty text. */
static rep_text take_before_dot(rep_text *text) {
    for (size_t i = text->count; i > 0; i--) {
        if (text->bytes[i - 1] != '.') { continue; }
        const rep_text before = {text->bytes, i - 1};
        *text = (rep_text){text->bytes + i, text->count - i};
        return before;
    }
    return (rep_text){text->bytes, 0};
}

/* From protocol 4 on a name may reach through what a module imports: serialization.os.system. */
bool rep_torch_is_refused(const rep_pickle_global *global) {
    enum { LONGEST = 500 }; /* bytes; a call costs a pickle four */
    rep_text name = global->name;
    if (is_refused_name(global->module, name)) { return true; }
    if (name.count > LONGEST) { return false; }
    rep_text owner = take_before_dot(&name);
    (void)take_before_dot(&owner);
    return owner.count > 0 && is_refused_name(owner, name);
}
