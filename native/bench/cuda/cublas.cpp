#include "bench/cuda/cublas.h"

#include <dlfcn.h>

#include "selftest/library.h"
#include "selftest/log.h"

namespace nce::bench {
namespace {

// Numbers of cublas_api.h and library_types.h, which are part of their binary interface.
constexpr int kPlain = 0, kTransposed = 1;
constexpr int kReal32 = 0, kReal16 = 2, kRealBf16 = 14;
constexpr int kCompute32 = 68, kCompute32Tf32 = 77;
constexpr int kDefaultAlgorithm = -1;

struct Functions {
  int (*create)(void**);
  int (*destroy)(void*);
  int (*set_stream)(void*, void*);
  int (*gemm)(void*, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int, const void*,
              void*, int, int, int, int);
};

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

class Cublas : public Gemm {
 public:
  Cublas(const Functions& functions, void* handle, bool fast) : f_(functions), handle_(handle), fast_(fast) {}
  ~Cublas() override { f_.destroy(handle_); }
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;

  void multiply(const Product& p, Element element, cudaStream_t stream) override {
    const float one = 1.0F;
    const int type = element == Element::kFloat32 ? kReal32 : element == Element::kFloat16 ? kReal16 : kRealBf16;
    check(f_.set_stream(handle_, stream), "cublasSetStream");
    // Column-major, a row-major product is that of the exchanged factors, and a matrix is its transpose.
    check(f_.gemm(handle_, p.b_transposed ? kTransposed : kPlain, p.a_transposed ? kTransposed : kPlain,
                  static_cast<int>(p.columns), static_cast<int>(p.rows), static_cast<int>(p.depth), &one, p.b, type,
                  static_cast<int>(p.b_pitch), p.a, type, static_cast<int>(p.a_pitch), &p.beta, p.c, kReal32,
                  static_cast<int>(p.c_pitch), element == Element::kFloat32 && fast_ ? kCompute32Tf32 : kCompute32,
                  kDefaultAlgorithm),
          "cublasGemmEx");
  }

 private:
  static void check(int status, const char* what) {
    if (status != 0) throw selftest::Failure(selftest::format("%s: status %d", what, status));
  }

  Functions f_;
  void* handle_;
  bool fast_;
};

}  // namespace

std::unique_ptr<Gemm> open_cublas(bool fast, std::string* reason) {
  void* library = nullptr;
  for (const char* const name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "libcublas.so"}) {
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
  }
  Functions functions{};
  void* handle = nullptr;
  if (library == nullptr) {
    *reason = "libcublas.so is not found; LD_LIBRARY_PATH may name its folder";
  } else if (!find(library, "cublasCreate_v2", functions.create) ||
             !find(library, "cublasDestroy_v2", functions.destroy) ||
             !find(library, "cublasSetStream_v2", functions.set_stream) ||
             !find(library, "cublasGemmEx", functions.gemm)) {
    *reason = "libcublas.so lacks a function";
  } else if (const int status = functions.create(&handle); status != 0) {
    *reason = selftest::format("cublasCreate: status %d", status);
  } else {
    return std::make_unique<Cublas>(functions, handle, fast);
  }
  return nullptr;
}

}  // namespace nce::bench
