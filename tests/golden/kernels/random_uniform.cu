extern "C" __global__ void __launch_bounds__(32) random_uniform_0(const i64* __restrict__ a0, float* __restrict__ out0) {
  const int t = threadIdx.x;
  if (t < 5) {
    const int p = t;
    const u64 t0 = (u64)(p / 4);
    const u64 t1 = (t0 & 4294967295ull) * 3528531795ull;
    const u64 t2 = (u64)a0[1];
    const u64 t3 = (u64)a0[0];
    const u64 t4 = t3 >> 32ull;
    const u64 t5 = (((t1 >> 32ull) ^ (t2 >> 32ull)) ^ t4) * 3449720151ull;
    const u64 t6 = (t2 & 4294967295ull) * 3449720151ull;
    const u64 t7 = t3 & 4294967295ull;
    const u64 t8 = (t7 + 2654435769ull) & 4294967295ull;
    const u64 t9 = (((t5 >> 32ull) ^ (t6 & 4294967295ull)) ^ t8) * 3528531795ull;
    const u64 t10 = (((t6 >> 32ull) ^ (t0 >> 32ull)) ^ t7) * 3528531795ull;
    const u64 t11 = (t4 + 3144134277ull) & 4294967295ull;
    const u64 t12 = (t11 + 3144134277ull) & 4294967295ull;
    const u64 t13 = (((t9 >> 32ull) ^ (t10 & 4294967295ull)) ^ t12) * 3449720151ull;
    const u64 t14 = (((t10 >> 32ull) ^ (t1 & 4294967295ull)) ^ t11) * 3449720151ull;
    const u64 t15 = (t8 + 2654435769ull) & 4294967295ull;
    const u64 t16 = (t15 + 2654435769ull) & 4294967295ull;
    const u64 t17 = (((t13 >> 32ull) ^ (t14 & 4294967295ull)) ^ t16) * 3528531795ull;
    const u64 t18 = (((t14 >> 32ull) ^ (t5 & 4294967295ull)) ^ t15) * 3528531795ull;
    const u64 t19 = (t12 + 3144134277ull) & 4294967295ull;
    const u64 t20 = (t19 + 3144134277ull) & 4294967295ull;
    const u64 t21 = (((t17 >> 32ull) ^ (t18 & 4294967295ull)) ^ t20) * 3449720151ull;
    const u64 t22 = (((t18 >> 32ull) ^ (t9 & 4294967295ull)) ^ t19) * 3449720151ull;
    const u64 t23 = (t16 + 2654435769ull) & 4294967295ull;
    const u64 t24 = (t23 + 2654435769ull) & 4294967295ull;
    const u64 t25 = (((t21 >> 32ull) ^ (t22 & 4294967295ull)) ^ t24) * 3528531795ull;
    const u64 t26 = (((t22 >> 32ull) ^ (t13 & 4294967295ull)) ^ t23) * 3528531795ull;
    const u64 t27 = (t20 + 3144134277ull) & 4294967295ull;
    const u64 t28 = (t27 + 3144134277ull) & 4294967295ull;
    const u64 t29 = (((t25 >> 32ull) ^ (t26 & 4294967295ull)) ^ t28) * 3449720151ull;
    const u64 t30 = (((t26 >> 32ull) ^ (t17 & 4294967295ull)) ^ t27) * 3449720151ull;
    const u64 t31 = (t24 + 2654435769ull) & 4294967295ull;
    const u64 t32 = (t31 + 2654435769ull) & 4294967295ull;
    const u64 t33 = (((t29 >> 32ull) ^ (t30 & 4294967295ull)) ^ t32) * 3528531795ull;
    const u64 t34 = (((t30 >> 32ull) ^ (t21 & 4294967295ull)) ^ t31) * 3528531795ull;
    const u64 t35 = (t28 + 3144134277ull) & 4294967295ull;
    const u64 t36 = (t35 + 3144134277ull) & 4294967295ull;
    const u64 t37 = (((t33 >> 32ull) ^ (t34 & 4294967295ull)) ^ t36) * 3449720151ull;
    const u64 t38 = (((t34 >> 32ull) ^ (t25 & 4294967295ull)) ^ t35) * 3449720151ull;
    const u64 t39 = (t32 + 2654435769ull) & 4294967295ull;
    const u64 t40 = (((t38 >> 32ull) ^ (t29 & 4294967295ull)) ^ t39) * 3528531795ull;
    out0[p] = ((float)(((u32)(((p % 4) < 2) ? (((p % 4) == 0) ? (((t37 >> 32ull) ^ (t38 & 4294967295ull)) ^ ((t39 + 2654435769ull) & 4294967295ull)) : (t37 & 4294967295ull)) : (((p % 4) == 2) ? (((t40 >> 32ull) ^ (t33 & 4294967295ull)) ^ ((t36 + 3144134277ull) & 4294967295ull)) : (t40 & 4294967295ull)))) >> 8u)) * 5.9604645e-08f;
  }
}
