// Resizes one BGR image on the device: uint8 (H, W, 3) to uint8 (height, width, 3), bilinear, pixel centres at half.
//
// The same arithmetic as OpenCV's INTER_LINEAR_EXACT but for its fixed-point weights: at most one grey level apart. No
// fused multiply-add (compile_ptx.py forbids it), so that numpy in float32 gives the same bytes.
extern "C" __global__ void resize_bgr(const unsigned char *source, int source_height, int source_width,
                                      unsigned char *target, int height, int width) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;

    float column = (x + 0.5f) * ((float)source_width / width) - 0.5f;
    float row = (y + 0.5f) * ((float)source_height / height) - 0.5f;
    column = fminf(fmaxf(column, 0.0f), source_width - 1.0f);
    row = fminf(fmaxf(row, 0.0f), source_height - 1.0f);
    int left = (int)column, top = (int)row;
    int right = min(left + 1, source_width - 1), bottom = min(top + 1, source_height - 1);
    float across = column - left, down = row - top;

    const unsigned char *upper = source + (size_t)top * source_width * 3;
    const unsigned char *lower = source + (size_t)bottom * source_width * 3;
    for (int channel = 0; channel < 3; ++channel) {
        float above = upper[left * 3 + channel] * (1.0f - across) + upper[right * 3 + channel] * across;
        float below = lower[left * 3 + channel] * (1.0f - across) + lower[right * 3 + channel] * across;
        target[((size_t)y * width + x) * 3 + channel] = (unsigned char)rintf(above * (1.0f - down) + below * down);
    }
}
