// reduce.glsl - sums over a workgroup by a fixed tree: the same bits on every run.
//
// Every invocation of the workgroup must call, in uniform control flow. The plain variant halves a
// shared array; the .sub variant adds within subgroups first and needs fewer barriers. There the
// barrier comes before the subgroup's sum: invocations that left a loop apart meet again first.
#ifndef REP_REDUCE_GLSL
#define REP_REDUCE_GLSL

#ifdef REP_SUBGROUP
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif

shared float reduce_parts[gl_WorkGroupSize.x];

#ifdef REP_SUBGROUP
float workgroup_sum(float v) {
    barrier();
    v = subgroupAdd(v);
    if (subgroupElect()) { reduce_parts[gl_SubgroupID] = v; }
    barrier();
    float total = 0.0;
    for (uint i = 0u; i < gl_NumSubgroups; i++) { total += reduce_parts[i]; }
    return total;
}
float workgroup_max(float v) {
    barrier();
    v = subgroupMax(v);
    if (subgroupElect()) { reduce_parts[gl_SubgroupID] = v; }
    barrier();
    float best = reduce_parts[0];
    for (uint i = 1u; i < gl_NumSubgroups; i++) { best = max(best, reduce_parts[i]); }
    return best;
}
#else
// The workgroup's size is a power of two.
float workgroup_sum(float v) {
    const uint lane = gl_LocalInvocationID.x;
    barrier();
    reduce_parts[lane] = v;
    barrier();
    for (uint half_size = gl_WorkGroupSize.x / 2u; half_size > 0u; half_size /= 2u) {
        if (lane < half_size) { reduce_parts[lane] += reduce_parts[lane + half_size]; }
        barrier();
    }
    return reduce_parts[0];
}
float workgroup_max(float v) {
    const uint lane = gl_LocalInvocationID.x;
    barrier();
    reduce_parts[lane] = v;
    barrier();
    for (uint half_size = gl_WorkGroupSize.x / 2u; half_size > 0u; half_size /= 2u) {
        if (lane < half_size) {
            reduce_parts[lane] = max(reduce_parts[lane], reduce_parts[lane + half_size]);
        }
        barrier();
    }
    return reduce_parts[0];
}
#endif

#endif
