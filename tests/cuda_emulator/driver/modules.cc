// Modules are shared libraries for the host. What shared memory a kernel has is read from the symbol table.
#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

#include "driver.h"

namespace emu {
namespace {

constexpr unsigned MACHINE_CUDA = 190;

const Elf64_Shdr* sections(const char* image) { return (const Elf64_Shdr*)(image + ((const Elf64_Ehdr*)image)->e_shoff); }

size_t size_of(const char* image) {
  auto* head = (const Elf64_Ehdr*)image;
  require(!memcmp(image, ELFMAG, SELFMAG), INVALID_IMAGE, "this is no ELF file");
  require(head->e_machine != MACHINE_CUDA, NO_BINARY_FOR_GPU, "a cubin for a GPU: the emulator loads what tests.cuda_emulator.build makes");
  require(head->e_machine == EM_X86_64, INVALID_IMAGE, "this is no module for the emulator");
  size_t end = head->e_shoff + (size_t)head->e_shnum * head->e_shentsize;
  for (int i = 0; i < head->e_shnum; ++i) {
    const Elf64_Shdr& s = sections(image)[i];
    if (s.sh_type != SHT_NOBITS) end = std::max<size_t>(end, s.sh_offset + s.sh_size);
  }
  return end;
}

// Of a variable in a function extern "C": "_ZZ<length><function>E<variable>"
std::string function_of(const char* symbol) {
  if (strncmp(symbol, "_ZZ", 3)) return "";
  char* rest;
  size_t length = strtoul(symbol + 3, &rest, 10);
  return strlen(rest) >= length ? std::string(rest, length) : "";
}

struct Shared {
  std::string function;
  Range range;
};

std::vector<Shared> shared_of(const char* image, char* base) {
  std::vector<Shared> found;
  auto* head = (const Elf64_Ehdr*)image;
  const Elf64_Shdr* all = sections(image);
  const char* names = image + all[head->e_shstrndx].sh_offset;
  for (int i = 0; i < head->e_shnum; ++i) {
    if (all[i].sh_type != SHT_SYMTAB) continue;
    auto* symbols = (const Elf64_Sym*)(image + all[i].sh_offset);
    const char* strings = image + all[all[i].sh_link].sh_offset;
    for (size_t k = 0; k < all[i].sh_size / sizeof *symbols; ++k) {
      const Elf64_Sym& s = symbols[k];
      bool ours = ELF64_ST_TYPE(s.st_info) == STT_OBJECT && s.st_shndx < head->e_shnum && !strcmp(names + all[s.st_shndx].sh_name, "emu_shared");
      if (ours) found.push_back({function_of(strings + s.st_name), {(unsigned char*)base + s.st_value, s.st_size}});
    }
  }
  return found;
}

void* open_image(const char* image, size_t size, int* file) {
  *file = memfd_create("kernels", MFD_CLOEXEC);
  require(*file >= 0 && write(*file, image, size) == (ssize_t)size, OUT_OF_MEMORY, "a file in memory for a module");
  std::string path = "/proc/self/fd/" + std::to_string(*file);
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  require(library, INVALID_IMAGE, library ? "" : dlerror());
  return library;
}

void unload(ModuleHandle* m) {
  dlclose(m->library);
  close(m->file);
  driver().modules.drop(m);
}

std::unique_ptr<Function> function_from(ModuleHandle* m, const Kernel* k, const std::vector<Shared>& shared) {
  auto f = std::make_unique<Function>(Function{m, k, {}, 0});
  for (const Shared& s : shared) {
    if (s.function != k->name && !s.function.empty()) continue;
    f->shared.push_back(s.range);
    f->shared_bytes += s.range.size;
  }
  return f;
}

void load(void** out, const void* data) {
  Context* c = current_context();
  unsafe_in_capture("cuModuleLoadData");
  auto* image = (const char*)data;
  size_t size = size_of(image);
  int file;
  void* library = open_image(image, size, &file);
  auto* table = (const Module*)dlsym(library, "emu_module");
  require(table && table->version == VERSION, INVALID_IMAGE, "the module has no table of kernels, or that of another version");
  auto* map = (link_map*)library;
  ModuleHandle* m = driver().modules.add({c, library, table, file, {}});
  std::vector<Shared> shared = shared_of(image, (char*)map->l_addr);
  for (const Kernel* k = table->kernels; k->name; ++k) m->functions.push_back(function_from(m, k, shared));
  *out = m;
}

}  // namespace

void close_modules(Context* c) {
  for (ModuleHandle* m : driver().modules.where([&](ModuleHandle& m) { return m.context == c; })) unload(m);
}

}  // namespace emu

using namespace emu;

EXPORT cuModuleLoadData(void** out, const void* image) {
  return locked([&] { load(out, image); });
}
EXPORT cuModuleLoadDataEx(void** out, const void* image, unsigned, int*, void**) { return cuModuleLoadData(out, image); }
EXPORT cuModuleLoadFatBinary(void** out, const void* image) { return cuModuleLoadData(out, image); }
EXPORT cuModuleLoad(void** out, const char* path) {
  return locked([&] {
    FILE* file = fopen(path, "rb");
    require(file, NOT_FOUND, std::string("there is no ") + path);
    std::vector<char> data;
    for (char block[65536]; size_t got = fread(block, 1, sizeof block, file);) data.insert(data.end(), block, block + got);
    fclose(file);
    load(out, data.data());
  });
}
EXPORT cuModuleUnload(void* handle) {
  return in_context([&](Context* c) {
    ModuleHandle* m = driver().modules.get(handle, "module");
    drain_all(c);
    unload(m);
  });
}
EXPORT cuModuleGetFunction(void** out, void* handle, const char* name) {
  return in_context([&](Context*) {
    ModuleHandle* m = driver().modules.get(handle, "module");
    *out = nullptr;
    for (auto& f : m->functions)
      if (!strcmp(f->kernel->name, name)) *out = f.get();
    require(*out, NOT_FOUND, std::string("the module has no kernel ") + name);
  });
}
EXPORT cuModuleGetFunctionCount(unsigned* out, void* handle) {
  return in_context([&](Context*) { *out = driver().modules.get(handle, "module")->functions.size(); });
}
