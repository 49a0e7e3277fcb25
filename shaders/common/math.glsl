// math.glsl - exponential and logarithm of known accuracy, and what is made of them.
//
// Vulkan lets exp() be off by 3 + 2|x| units in the last place; these are within 2, by the same
// polynomials as src/kernels/math.h, so that every driver meets the same bounds.
#ifndef REP_MATH_GLSL
#define REP_MATH_GLSL

#define REP_INFINITY uintBitsToFloat(0x7f800000u)
#define REP_NAN uintBitsToFloat(0x7fc00000u)

bool is_nan(float x) { return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u; }

// e^x with x held within [-87, 88]; NaN stays NaN.
float rep_exp(float x) {
    if (is_nan(x)) { return x; }
    x = clamp(x, -87.0, 88.0);
    const float n = roundEven(x * 1.44269504);
    const float r = (x - n * 0.693359375) + n * 2.12194440e-4;
    float sum = 1.0 / 5040.0;
    sum = sum * r + 1.0 / 720.0;
    sum = sum * r + 1.0 / 120.0;
    sum = sum * r + 1.0 / 24.0;
    sum = sum * r + 1.0 / 6.0;
    sum = sum * r + 0.5;
    sum = sum * r + 1.0;
    sum = sum * r + 1.0;
    return sum * uintBitsToFloat(uint(int(n) + 127) << 23);
}

// ln x of normal numbers; NaN for x <= 0; infinity stays.
float rep_log(float x) {
    if (!(x > 0.0)) { return REP_NAN; }
    if (x >= REP_INFINITY) { return x; }
    const uint bits = floatBitsToUint(x) - 0x3f3504f3u; // sqrt(1/2)
    const float e = float(int(bits) >> 23);
    const float m = uintBitsToFloat((bits & 0x007fffffu) + 0x3f3504f3u);
    const float s = (m - 1.0) / (m + 1.0), z = s * s;
    float sum = 2.0 / 11.0;
    sum = sum * z + 2.0 / 9.0;
    sum = sum * z + 2.0 / 7.0;
    sum = sum * z + 2.0 / 5.0;
    sum = sum * z + 2.0 / 3.0;
    return e * 0.693359375 + ((s * z * sum - e * 2.12194440e-4) + 2.0 * s);
}

float rep_sigmoid(float x) { return 1.0 / (1.0 + rep_exp(-x)); }

// ln(1 + e^x) without overflow, exact to the last places where e^-|x| is small.
float rep_softplus(float x) {
    const float d = rep_exp(-abs(x));
    precise const float u = 1.0 + d, rest = u - 1.0; // not d: what rounding left of it
    const float log1p = rest == 0.0 ? d : rep_log(u) * d / rest;
    return (x < 0.0 ? 0.0 : x) + log1p;
}

#endif
