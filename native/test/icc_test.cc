#include "icc.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include "check.h"
#include "failure.h"
#include "icc_table.h"
#include "raster.h"
#include "steps/colour_step.h"

using namespace pyramidion;

namespace {

using Blob = std::vector<uint8_t>;

void put(Blob& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}
void put_text(Blob& out, const char* text) { out.insert(out.end(), text, text + 4); }
void put_fixed(Blob& out, double value) {
  put(out, static_cast<uint32_t>(static_cast<int32_t>(std::lround(value * 65536))), 4);
}

struct ProfileTag {
  const char* name;
  Blob value;
};

Blob profile(const char* device_class, const char* space, const char* pcs, uint32_t version,
             const std::vector<ProfileTag>& tags) {
  Blob table, data;
  put(table, tags.size(), 4);
  for (const ProfileTag& tag : tags) {
    put_text(table, tag.name);
    put(table, 132 + 12 * tags.size() + data.size(), 4);
    put(table, tag.value.size(), 4);
    data.insert(data.end(), tag.value.begin(), tag.value.end());
    while (data.size() % 4 != 0) data.push_back(0);
  }
  Blob out;
  put(out, 128 + table.size() + data.size(), 4);
  put(out, 0, 4);
  put(out, version, 4);
  put_text(out, device_class);
  put_text(out, space);
  put_text(out, pcs);
  out.resize(36);
  put_text(out, "acsp");
  out.resize(128);
  out.insert(out.end(), table.begin(), table.end());
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

Blob element(const char* type) {
  Blob out;
  put_text(out, type);
  put(out, 0, 4);
  return out;
}

Blob xyz(double x, double y, double z) {
  Blob out = element("XYZ ");
  put_fixed(out, x);
  put_fixed(out, y);
  put_fixed(out, z);
  return out;
}

Blob power_law(double value) {
  Blob out = element("para");
  put(out, 0, 4);
  put_fixed(out, value);
  return out;
}

Blob samples(const std::vector<int>& values) {
  Blob out = element("curv");
  put(out, values.size(), 4);
  for (const int value : values) put(out, static_cast<uint64_t>(value), 2);
  return out;
}

// Adobe RGB (1998) by the specification's figures, with any curve.
Blob adobe_rgb(const Blob& curve) {
  return profile("mntr", "RGB ", "XYZ ", 0x02100000,
                 {{"wtpt", xyz(0.95045, 1, 1.08905)},
                  {"rXYZ", xyz(0.60974, 0.31111, 0.01947)},
                  {"gXYZ", xyz(0.20528, 0.62567, 0.06087)},
                  {"bXYZ", xyz(0.14919, 0.06322, 0.74457)},
                  {"rTRC", curve},
                  {"gTRC", curve},
                  {"bTRC", curve}});
}

Blob gray(const Blob& curve) { return profile("mntr", "GRAY", "XYZ ", 0x04200000, {{"kTRC", curve}}); }

// An `mft2` with straight curves and two points on each axis, whose nodes are a function of their corner.
template <typename Node>
Blob corners(int inputs, int outputs, const Node& node) {
  Blob out = element("mft2");
  put(out, static_cast<uint64_t>(inputs), 1);
  put(out, static_cast<uint64_t>(outputs), 1);
  put(out, 2, 2);
  out[out.size() - 2] = 2;
  out.back() = 0;
  for (int i = 0; i < 9; ++i) put_fixed(out, i % 4 == 0 ? 1 : 0);
  put(out, 2, 2);
  put(out, 2, 2);
  for (int i = 0; i < inputs; ++i) put(out, 0xffff, 4);
  for (int n = 0; n < 1 << inputs; ++n) {
    double at[4] = {}, value[4] = {};
    for (int i = 0; i < inputs; ++i) at[i] = (n >> (inputs - 1 - i)) & 1;
    node(at, value);
    for (int i = 0; i < outputs; ++i) put(out, static_cast<uint64_t>(std::lround(value[i])), 2);
  }
  for (int i = 0; i < outputs; ++i) put(out, 0xffff, 4);
  return out;
}

double ink_lightness(const double* ink) { return 100 - 90 * (ink[0] + ink[1] + ink[2] + ink[3]) / 4; }

// Inks that only darken: black is L* = 10; what goes out is all in K.
Blob press(bool with_output) {
  std::vector<ProfileTag> tags = {{"wtpt", xyz(0.9642, 1, 0.8249)},
                                  {"A2B0", corners(4, 3, [](const double* at, double* value) {
                                     value[0] = ink_lightness(at) / 100 * 0xff00;
                                     value[1] = value[2] = 0x8000;
                                   })}};
  if (with_output)
    tags.push_back({"B2A0", corners(3, 4, [](const double* at, double* value) { value[3] = (1 - at[0]) * 0xffff; })});
  return profile("prtr", "CMYK", "Lab ", 0x02100000, tags);
}

Bytes bytes(const Blob& blob) { return {blob.data(), blob.size()}; }

ColourJob job(const Blob& from, const Blob& to, Intent intent = Intent::relative, bool compensate = false) {
  ColourJob out;
  out.active = true;
  out.input_profile = bytes(from);
  out.output_profile = bytes(to);
  out.intent = intent;
  out.black_point_compensation = compensate;
  return out;
}

template <typename In, typename Out = In>
std::vector<Out> through(const ColourJob& colour, ColourSpace from, ColourSpace to, const std::vector<In>& in) {
  const PixelType a{from, static_cast<int>(sizeof(In) * 8), Alpha::none};
  const PixelType b{to, static_cast<int>(sizeof(Out) * 8), Alpha::none};
  const size_t count = in.size() / static_cast<size_t>(a.samples());
  std::vector<Out> out(count * static_cast<size_t>(b.samples()));
  convert(*colour_link(colour, from, to, a.bits), reinterpret_cast<const uint8_t*>(in.data()), a,
          reinterpret_cast<uint8_t*>(out.data()), b, count);
  return out;
}

struct Random {
  uint32_t state = 1;
  uint32_t next() { return (state = state * 1664525 + 1013904223) >> 8; }
};

template <typename Sample>
int difference(const std::vector<Sample>& a, const std::vector<Sample>& b) {
  int most = a.size() == b.size() ? 0 : 1 << 20;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) most = std::max(most, std::abs(int{a[i]} - int{b[i]}));
  return most;
}

std::string code_of(const ColourJob& colour, ColourSpace from, ColourSpace to) {
  try {
    colour_link(colour, from, to, 8);
  } catch (const Failure& failure) {
    return failure.code;
  }
  return "";
}

double lightness_to_y(double lightness) {
  const double t = (lightness + 16) / 116;
  return t > 24.0 / 116 ? t * t * t : 108.0 / 841 * (t - 16.0 / 116);
}
double srgb_encoded(double v) { return v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055; }

const Blob none;  // stands for sRGB

}  // namespace

TEST("icc: sRGB to Adobe RGB and back by the formulas, grays staying gray") {
  const Blob adobe = adobe_rgb(power_law(563 / 256.0));
  Random random;
  std::vector<uint8_t> colours(3000);
  for (uint8_t& sample : colours) sample = static_cast<uint8_t>(random.next());
  const auto wide = through<uint8_t, uint16_t>(job(none, adobe), ColourSpace::rgb, ColourSpace::rgb, colours);
  CHECK(difference(colours, through<uint16_t, uint8_t>(job(adobe, none), ColourSpace::rgb, ColourSpace::rgb, wide)) <=
        1);

  std::vector<uint8_t> grays(256 * 3);
  for (size_t i = 0; i < grays.size(); ++i) grays[i] = static_cast<uint8_t>(i / 3);
  const auto out = through(job(none, adobe), ColourSpace::rgb, ColourSpace::rgb, grays);
  for (int i = 0; i < 256; ++i) {
    const double v = i / 255.0, linear = v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
    for (size_t c = 0; c < 3; ++c)
      CHECK(std::abs(out[static_cast<size_t>(i) * 3 + c] - 255 * std::pow(linear, 256 / 563.0)) < 0.6);
  }
}

TEST("icc: gray is luminance, and RGB of equal parts") {
  const Blob linear = gray(power_law(1)), adobe = adobe_rgb(power_law(1));
  const std::vector<uint16_t> colours = {65535, 0, 0, 0, 65535, 0, 0, 0, 65535, 65535, 65535, 65535};
  const auto levels = through(job(adobe, linear), ColourSpace::rgb, ColourSpace::gray, colours);
  CHECK(difference(levels, {20389, 41003, 4143, 65535}) <= 2);
  const std::vector<uint16_t> some = {0, 1, 300, 30000, 65535};
  const auto rgb = through(job(linear, adobe), ColourSpace::gray, ColourSpace::rgb, some);
  for (size_t i = 0; i < rgb.size(); ++i) CHECK(std::abs(rgb[i] - some[i / 3]) <= 2);
}

TEST("icc: curves of samples are read and turned round") {
  std::vector<int> square(1024);
  for (size_t i = 0; i < square.size(); ++i)
    square[i] = static_cast<int>(std::lround(65535 * std::pow(static_cast<double>(i) / 1023, 2)));
  const Blob sampled = gray(samples(square)), exact = gray(power_law(2));
  std::vector<uint16_t> ramp(4096);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<uint16_t>(i * 16);
  const auto back = through(job(sampled, sampled), ColourSpace::gray, ColourSpace::gray, ramp),
             same = through(job(sampled, exact), ColourSpace::gray, ColourSpace::gray, ramp);
  for (size_t i = 256; i < ramp.size(); ++i) {
    CHECK(std::abs(same[i] - ramp[i]) <= 16);
    CHECK(std::abs(back[i] - ramp[i]) <= 16);
  }
  // A falling curve: what is bright comes out dark.
  const Blob falling = gray(samples({65535, 0})), identity = gray(samples({}));
  CHECK_EQ(through(job(falling, identity), ColourSpace::gray, ColourSpace::gray, std::vector<uint8_t>{0, 51, 255})[1],
           204);
  CHECK_EQ(through(job(identity, falling), ColourSpace::gray, ColourSpace::gray, std::vector<uint8_t>{0, 51, 255})[1],
           204);
}

TEST("icc: CMYK through a table of corners, in every space") {
  const Blob cmyk = press(true);
  Random random;
  std::vector<uint8_t> inks(4000);
  for (uint8_t& ink : inks) ink = static_cast<uint8_t>(random.next());
  const auto rgb = through(job(cmyk, none), ColourSpace::cmyk, ColourSpace::rgb, inks);
  const auto levels = through(job(cmyk, gray(power_law(1))), ColourSpace::cmyk, ColourSpace::gray, inks);
  const auto wide = through<uint8_t, uint16_t>(job(cmyk, cmyk), ColourSpace::cmyk, ColourSpace::cmyk, inks);
  for (size_t i = 0; i < 1000; ++i) {
    double ink[4];
    for (size_t c = 0; c < 4; ++c) ink[c] = inks[i * 4 + c] / 255.0;
    const double lightness = ink_lightness(ink), y = lightness_to_y(lightness);
    for (size_t c = 0; c < 3; ++c) CHECK(std::abs(rgb[i * 3 + c] - 255 * srgb_encoded(y)) < 1);
    CHECK(std::abs(levels[i] - 255 * y) < 1);
    CHECK(std::abs(wide[i * 4 + 3] - 65535 * (1 - lightness / 100 * 65280 / 65535)) < 64);
    CHECK_EQ(wide[i * 4], 0);
  }
}

TEST("icc: black goes to black with compensation, and stays where it is without or in absolute colorimetry") {
  const Blob cmyk = press(false);
  const std::vector<uint8_t> black = {255, 255, 255, 255}, paper = {0, 0, 0, 0};
  const auto dark = [&](Intent intent, bool compensate) {
    return int{through(job(cmyk, none, intent, compensate), ColourSpace::cmyk, ColourSpace::rgb, black)[1]};
  };
  const int plain = static_cast<int>(std::lround(255 * srgb_encoded(lightness_to_y(10))));
  CHECK_EQ(dark(Intent::perceptual, true), 0);
  CHECK_EQ(dark(Intent::perceptual, false), plain);
  CHECK_EQ(dark(Intent::absolute, true), plain);
  CHECK_EQ(int{through(job(cmyk, none, Intent::perceptual, true), ColourSpace::cmyk, ColourSpace::rgb, paper)[1]}, 255);
}

TEST("icc: absolute colorimetry shows the white of the paper") {
  const Blob dull =
      profile("prtr", "GRAY", "XYZ ", 0x02100000, {{"wtpt", xyz(0.9642 / 2, 0.5, 0.8249 / 2)}, {"kTRC", power_law(1)}});
  const std::vector<uint8_t> white = {255};
  CHECK_EQ(through(job(dull, gray(power_law(1)), Intent::absolute), ColourSpace::gray, ColourSpace::gray, white)[0],
           128);
  CHECK_EQ(through(job(dull, gray(power_law(1))), ColourSpace::gray, ColourSpace::gray, white)[0], 255);
}

TEST("icc: alpha is copied, dropped or made opaque, and both depths agree") {
  const Blob adobe = adobe_rgb(power_law(563 / 256.0));
  Random random;
  constexpr size_t count = 1000;
  std::vector<uint8_t> narrow(count * 4);
  std::vector<uint16_t> wide(count * 4);
  for (size_t i = 0; i < narrow.size(); ++i) {
    narrow[i] = static_cast<uint8_t>(random.next());
    wide[i] = static_cast<uint16_t>(narrow[i] * 257);
  }
  const PixelType with_8{ColourSpace::rgb, 8, Alpha::straight}, with_16{ColourSpace::rgb, 16, Alpha::straight};
  const PixelType without_8{ColourSpace::rgb, 8, Alpha::none};
  const auto link_8 = colour_link(job(none, adobe), ColourSpace::rgb, ColourSpace::rgb, 8);
  const auto link_16 = colour_link(job(none, adobe), ColourSpace::rgb, ColourSpace::rgb, 16);
  std::vector<uint8_t> from_8(count * 4), from_16(count * 4), opaque(count * 4), bare(count * 3);
  std::vector<uint16_t> to_16(count * 4), all_16(count * 4);
  auto* const wide_bytes = reinterpret_cast<uint8_t*>(wide.data());
  convert(*link_8, narrow.data(), with_8, from_8.data(), with_8, count);
  convert(*link_16, wide_bytes, with_16, from_16.data(), with_8, count);
  CHECK(from_8 == from_16);
  convert(*link_8, narrow.data(), with_8, reinterpret_cast<uint8_t*>(to_16.data()), with_16, count);
  convert(*link_16, wide_bytes, with_16, reinterpret_cast<uint8_t*>(all_16.data()), with_16, count);
  CHECK(to_16 == all_16);
  convert(*link_8, narrow.data(), with_8, bare.data(), without_8, count);
  for (size_t i = 0; i < count; ++i) {
    CHECK_EQ(from_8[i * 4 + 3], narrow[i * 4 + 3]);
    CHECK_EQ(to_16[i * 4 + 3], narrow[i * 4 + 3] * 257);
    for (size_t c = 0; c < 3; ++c) CHECK_EQ(bare[i * 3 + c], from_8[i * 4 + c]);
  }
  convert(*link_8, bare.data(), without_8, opaque.data(), with_8, count);
  for (size_t i = 0; i < count; ++i) CHECK_EQ(opaque[i * 4 + 3], 255);
}

TEST("icc: colours that alpha is multiplied into are converted without it") {
  const Blob adobe = adobe_rgb(power_law(1));
  Raster straight({ColourSpace::rgb, 16, Alpha::straight}, 300, 2);
  Raster associated({ColourSpace::rgb, 16, Alpha::associated}, 300, 2);
  Random random;
  for (int y = 0; y < 2; ++y) {
    auto* plain = reinterpret_cast<uint16_t*>(straight.row(y));
    auto* mixed = reinterpret_cast<uint16_t*>(associated.row(y));
    for (size_t x = 0; x < 300; ++x)
      for (size_t c = 4; c-- > 0;) {
        plain[x * 4 + c] = static_cast<uint16_t>(c == 3 ? x * 65535 / 299 : random.next());
        const uint64_t alpha = plain[x * 4 + 3];
        mixed[x * 4 + c] = static_cast<uint16_t>(c == 3 ? alpha : (plain[x * 4 + c] * alpha + 32767) / 65535);
      }
  }
  const Raster a = converted(straight, job(none, adobe), straight.type);
  const Raster b = converted(associated, job(none, adobe), associated.type);
  for (int y = 0; y < 2; ++y) {
    const auto* plain = reinterpret_cast<const uint16_t*>(a.row(y));
    const auto* mixed = reinterpret_cast<const uint16_t*>(b.row(y));
    for (size_t x = 0; x < 300; ++x)
      for (size_t c = 0; c < 4; ++c) {
        const double alpha = plain[x * 4 + 3] / 65535.0;
        CHECK(std::abs(mixed[x * 4 + c] - plain[x * 4 + c] * (c < 3 ? alpha : 1)) < 8);
      }
  }
  CHECK(converted(Raster(), job(none, adobe), {ColourSpace::rgb, 8, Alpha::none}).empty());
}

TEST("icc: a link is made once, shared by threads, and let go when the cache is full") {
  const Blob first = gray(power_law(1.7));
  const ColourJob colour = job(first, none);
  std::array<std::shared_ptr<const ColourLink>, 4> links;
  std::vector<std::thread> threads;
  for (auto& link : links)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) link = colour_link(colour, ColourSpace::gray, ColourSpace::rgb, 16);
      std::vector<uint16_t> in(5000, 1000), out(15000);
      convert(*link, reinterpret_cast<const uint8_t*>(in.data()), {ColourSpace::gray, 16, Alpha::none},
              reinterpret_cast<uint8_t*>(out.data()), {ColourSpace::rgb, 16, Alpha::none}, in.size());
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& link : links) CHECK(link == links[0]);
  // The same bytes elsewhere are the same profile; another intent is another link.
  const Blob copy = first;
  CHECK(colour_link(job(copy, none), ColourSpace::gray, ColourSpace::rgb, 16) == links[0]);
  CHECK(colour_link(job(copy, none, Intent::absolute), ColourSpace::gray, ColourSpace::rgb, 16) != links[0]);
  for (int i = 0; i < 300; ++i)
    colour_link(job(gray(power_law(1.005 + i * 0.01)), none), ColourSpace::gray, ColourSpace::rgb, 16);
  CHECK(colour_cache_bytes() <= colour_cache_limit);
  CHECK(colour_link(colour, ColourSpace::gray, ColourSpace::rgb, 16) != links[0]);
}

TEST("icc: profiles that cannot be used are refused by code") {
  const Blob cmyk = press(false), text(200, 'x');
  CHECK_EQ(code_of(job(cmyk, none), ColourSpace::rgb, ColourSpace::rgb), "PROFILE_MISMATCH");
  CHECK_EQ(code_of(job(none, cmyk), ColourSpace::rgb, ColourSpace::rgb), "PROFILE_MISMATCH");
  CHECK_EQ(code_of(job(none, cmyk), ColourSpace::rgb, ColourSpace::cmyk), "PROFILE_INVALID");
  CHECK_EQ(code_of(job(text, none), ColourSpace::rgb, ColourSpace::rgb), "PROFILE_INVALID");
  CHECK_EQ(code_of(job(profile("link", "RGB ", "RGB ", 0x02100000, {}), none), ColourSpace::rgb, ColourSpace::rgb),
           "PROFILE_INVALID");
  CHECK_EQ(code_of(job(profile("mntr", "Lab ", "XYZ ", 0x02100000, {}), none), ColourSpace::rgb, ColourSpace::rgb),
           "PROFILE_INVALID");
  CHECK_EQ(code_of(job(gray(power_law(0)), none), ColourSpace::gray, ColourSpace::rgb), "PROFILE_INVALID");
}

TEST("icc: no damage to a profile does more than refuse it or change colours") {
  const std::vector<uint8_t> inks = {0, 0, 0, 0, 10, 99, 200, 255, 255, 255, 255, 255};
  Random random;
  for (const Blob& whole : {press(true), adobe_rgb(samples({0, 20, 400, 65535})), gray(power_law(2.2))}) {
    const ColourSpace space = whole[16] == 'C'   ? ColourSpace::cmyk
                              : whole[16] == 'R' ? ColourSpace::rgb
                                                 : ColourSpace::gray;
    const auto attempt = [&](const Blob& damaged) {
      for (const bool output : {false, true}) {
        const ColourSpace from = output ? ColourSpace::rgb : space, to = output ? space : ColourSpace::rgb;
        const ColourJob colour =
            output ? job(none, damaged, Intent::relative, true) : job(damaged, none, Intent::absolute);
        try {
          std::vector<uint8_t> in(inks.begin(), inks.begin() + 3 * (from == ColourSpace::cmyk ? 4 : 3));
          if (from == ColourSpace::gray) in.resize(3);
          through(colour, from, to, in);
        } catch (const Failure& failure) {
          CHECK(!std::strcmp(failure.code, "PROFILE_INVALID") || !std::strcmp(failure.code, "PROFILE_MISMATCH"));
        }
      }
    };
    for (size_t length = 1; length < whole.size(); length += 3) attempt({whole.begin(), whole.begin() + length});
    for (int i = 0; i < 1500; ++i) {
      Blob damaged = whole;
      for (int k = 0; k < 3; ++k) damaged[random.next() % damaged.size()] = static_cast<uint8_t>(random.next());
      attempt(damaged);
    }
  }
}

#ifdef PYRAMIDION_AVX2
TEST("icc: both sets of kernels compute the same") {
  if (!__builtin_cpu_supports("avx2")) return;
  IccKernels tables[2];
  kernels_baseline::fill(tables[0]);
  kernels_avx2::fill(tables[1]);
  Random random;
  std::vector<float> nodes(6 * 5 * 4 * 3 * 4);
  for (float& node : nodes) node = static_cast<float>(random.next() & 0xffff);
  const float rows[3][4] = {{0.5F, 0.2F, 0.1F, 0.01F}, {-0.1F, 1.1F, 0.2F, 0}, {0.3F, 0.3F, 0.3F, -0.02F}};
  const auto agree = [&](float tolerance, const auto& run) {
    IccPlane planes[2][4];
    for (size_t c = 0; c < 4; ++c)
      for (size_t i = 0; i < icc_block; ++i)
        planes[0][c][i] = planes[1][c][i] = static_cast<float>(random.next() % 1001) * 0.0012F - 0.1F;
    for (size_t k = 0; k < 2; ++k) run(tables[k], planes[k]);
    for (size_t c = 0; c < 3; ++c)
      for (size_t i = 0; i < icc_block; ++i) CHECK(std::abs(planes[0][c][i] - planes[1][c][i]) <= tolerance);
  };
  constexpr size_t n = icc_block - 3;
  agree(1e-5F, [&](const IccKernels& k, IccPlane* p) { k.matrix(rows, 3, 3, n, p); });
  agree(1e-5F, [&](const IccKernels& k, IccPlane* p) { k.lab_to_xyz(n, p); });
  agree(1e-4F, [&](const IccKernels& k, IccPlane* p) { k.xyz_to_lab(n, p); });
  agree(2.1F / 65535, [&](const IccKernels& k, IccPlane* p) { k.table_curve(nodes.data(), 99, n, p[1]); });
  agree(1e-5F, [&](const IccKernels& k, IccPlane* p) {
    k.power_curve({0.0031308F, 1, 0, 1 / 2.4F, 1.055F, -0.055F, 12.92F, 0}, n, p[0]);
  });
  agree(8.0F / 65535, [&](const IccKernels& k, IccPlane* p) {
    k.tetrahedral({nodes.data(), 4, 4, {6, 5, 4, 3}}, n, p);
  });
  agree(8.0F / 65535, [&](const IccKernels& k, IccPlane* p) { k.tetrahedral({nodes.data(), 3, 4, {6, 5, 4}}, n, p); });
  agree(8.0F / 65535, [&](const IccKernels& k, IccPlane* p) { k.trilinear({nodes.data(), 3, 4, {6, 5, 4}}, n, p); });
  agree(8.0F / 65535, [&](const IccKernels& k, IccPlane* p) { k.linear({nodes.data(), 1, 4, {6}}, n, p); });
}
#endif
