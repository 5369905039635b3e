extern "C" __global__ void __launch_bounds__(32) random_uniform_0(const i64* __restrict__ a0, float* __restrict__ out0) {
  const int t = threadIdx.x;
  if (t < 5) {
    const int p = t;
    const u64 d0w0 = (u64)(p / 4);
    const u64 d0w1 = (d0w0 & 4294967295ull) * 3528531795ull;
    const u64 d0w2 = (u64)a0[1];
    const u64 d0w3 = (u64)a0[0];
    const u64 d0w4 = d0w3 >> 32ull;
    const u64 d0w5 = ((((d0w1 >> 32ull) ^ (d0w2 >> 32ull)) ^ d0w4) & 4294967295ull) * 3449720151ull;
    const u64 d0w6 = (d0w2 & 4294967295ull) * 3449720151ull;
    const u64 d0w7 = d0w3 + 2654435769ull;
    const u64 d0w8 = ((((d0w5 >> 32ull) ^ d0w6) ^ d0w7) & 4294967295ull) * 3528531795ull;
    const u64 d0w9 = ((((d0w6 >> 32ull) ^ (d0w0 >> 32ull)) ^ d0w3) & 4294967295ull) * 3528531795ull;
    const u64 d0w10 = d0w4 + 3144134277ull;
    const u64 d0w11 = d0w10 + 3144134277ull;
    const u64 d0w12 = ((((d0w8 >> 32ull) ^ d0w9) ^ d0w11) & 4294967295ull) * 3449720151ull;
    const u64 d0w13 = ((((d0w9 >> 32ull) ^ d0w1) ^ d0w10) & 4294967295ull) * 3449720151ull;
    const u64 d0w14 = d0w7 + 2654435769ull;
    const u64 d0w15 = d0w14 + 2654435769ull;
    const u64 d0w16 = ((((d0w12 >> 32ull) ^ d0w13) ^ d0w15) & 4294967295ull) * 3528531795ull;
    const u64 d0w17 = ((((d0w13 >> 32ull) ^ d0w5) ^ d0w14) & 4294967295ull) * 3528531795ull;
    const u64 d0w18 = d0w11 + 3144134277ull;
    const u64 d0w19 = d0w18 + 3144134277ull;
    const u64 d0w20 = ((((d0w16 >> 32ull) ^ d0w17) ^ d0w19) & 4294967295ull) * 3449720151ull;
    const u64 d0w21 = ((((d0w17 >> 32ull) ^ d0w8) ^ d0w18) & 4294967295ull) * 3449720151ull;
    const u64 d0w22 = d0w15 + 2654435769ull;
    const u64 d0w23 = d0w22 + 2654435769ull;
    const u64 d0w24 = ((((d0w20 >> 32ull) ^ d0w21) ^ d0w23) & 4294967295ull) * 3528531795ull;
    const u64 d0w25 = ((((d0w21 >> 32ull) ^ d0w12) ^ d0w22) & 4294967295ull) * 3528531795ull;
    const u64 d0w26 = d0w19 + 3144134277ull;
    const u64 d0w27 = d0w26 + 3144134277ull;
    const u64 d0w28 = ((((d0w24 >> 32ull) ^ d0w25) ^ d0w27) & 4294967295ull) * 3449720151ull;
    const u64 d0w29 = ((((d0w25 >> 32ull) ^ d0w16) ^ d0w26) & 4294967295ull) * 3449720151ull;
    const u64 d0w30 = d0w23 + 2654435769ull;
    const u64 d0w31 = d0w30 + 2654435769ull;
    const u64 d0w32 = ((((d0w28 >> 32ull) ^ d0w29) ^ d0w31) & 4294967295ull) * 3528531795ull;
    const u64 d0w33 = ((((d0w29 >> 32ull) ^ d0w20) ^ d0w30) & 4294967295ull) * 3528531795ull;
    const u64 d0w34 = d0w27 + 3144134277ull;
    const u64 d0w35 = d0w34 + 3144134277ull;
    const u64 d0w36 = ((((d0w32 >> 32ull) ^ d0w33) ^ d0w35) & 4294967295ull) * 3449720151ull;
    const u64 d0w37 = ((((d0w33 >> 32ull) ^ d0w24) ^ d0w34) & 4294967295ull) * 3449720151ull;
    const u64 d0w38 = d0w31 + 2654435769ull;
    const u64 d0w39 = ((((d0w37 >> 32ull) ^ d0w28) ^ d0w38) & 4294967295ull) * 3528531795ull;
    const u32 d0 = (u32)(((p % 4) < 2) ? (((p % 4) == 0) ? (((d0w36 >> 32ull) ^ d0w37) ^ (d0w38 + 2654435769ull)) : d0w36) : (((p % 4) == 2) ? (((d0w39 >> 32ull) ^ d0w32) ^ (d0w35 + 3144134277ull)) : d0w39));
    out0[p] = ((float)(d0 >> 8u)) * 5.9604645e-08f;
  }
}
