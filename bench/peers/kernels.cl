/* The table's kernels in OpenCL C, thread for thread what the numba.cuda kernels are. */
#define TILE 16
#define THREADS 256
#define BODIES 128

kernel void saxpy(float a, global const float *x, global const float *y, global float *out, int n) {
    int i = get_global_id(0);
    if (i < n) out[i] = a * x[i] + y[i];
}

kernel void matmul(global const float *a, global const float *b, global float *c, int n) {
    int column = get_global_id(0), row = get_global_id(1);
    if (row < n && column < n) {
        float total = 0;
        for (int k = 0; k < n; k++) total += a[row * n + k] * b[k * n + column];
        c[row * n + column] = total;
    }
}

kernel void tiled_matmul(global const float *a, global const float *b, global float *c, int n) {
    local float left[TILE][TILE], right[TILE][TILE];
    int column = get_global_id(0), row = get_global_id(1), x = get_local_id(0), y = get_local_id(1);
    float total = 0;
    for (int step = 0; step < n / TILE; step++) {
        left[y][x] = a[row * n + step * TILE + x];
        right[y][x] = b[(step * TILE + y) * n + column];
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < TILE; k++) total += left[y][k] * right[k][x];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    c[row * n + column] = total;
}

kernel void block_sums(global const float *x, global float *out, int n) {
    local float partial[THREADS];
    int t = get_local_id(0), i = get_global_id(0);
    partial[t] = i < n ? x[i] : 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int step = get_local_size(0) / 2; step > 0; step /= 2) {
        if (t < step) partial[t] += partial[t + step];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (t == 0) out[get_group_id(0)] = partial[0];
}

kernel void histogram(global const uchar *x, global int *counts, int n) {
    for (int i = get_global_id(0); i < n; i += get_global_size(0)) atomic_inc(&counts[x[i]]);
}

kernel void shared_histogram(global const uchar *x, global int *counts, int n) {
    local int mine[256];
    int t = get_local_id(0);
    mine[t] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = get_global_id(0); i < n; i += get_global_size(0)) atomic_inc(&mine[x[i]]);
    barrier(CLK_LOCAL_MEM_FENCE);
    atomic_add(&counts[t], mine[t]);
}

kernel void stencil(global const float *a, global float *out, int n) {
    int x = get_global_id(0), y = get_global_id(1);
    if (x > 0 && x < n - 1 && y > 0 && y < n - 1)
        out[y * n + x] = 0.25f * (a[(y - 1) * n + x] + a[(y + 1) * n + x] + a[y * n + x - 1] + a[y * n + x + 1]);
}

kernel void mandelbrot(float left, float top, float step, int limit, global int *counts, int n) {
    int column = get_global_id(0), row = get_global_id(1);
    if (row < n && column < n) {
        float cx = left + column * step, cy = top + row * step, x = 0, y = 0;
        int count = 0;
        while (count < limit && x * x + y * y < 4.0f) {
            float next = x * x - y * y + cx;
            y = 2.0f * x * y + cy;
            x = next;
            count++;
        }
        counts[row * n + column] = count;
    }
}

kernel void bodies(global const float *given, global float *forces, int n) {
    local float near[4][BODIES];
    int t = get_local_id(0), i = get_global_id(0);
    float x = given[i], y = given[n + i], z = given[2 * n + i], fx = 0, fy = 0, fz = 0;
    for (int first = 0; first < n; first += BODIES) {
        for (int k = 0; k < 4; k++) near[k][t] = given[k * n + first + t];
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int j = 0; j < BODIES; j++) {
            float dx = near[0][j] - x, dy = near[1][j] - y, dz = near[2][j] - z;
            float square = dx * dx + dy * dy + dz * dz + 1e-3f;
            float pull = near[3][j] / (square * sqrt(square));
            fx += pull * dx;
            fy += pull * dy;
            fz += pull * dz;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    forces[i] = fx;
    forces[n + i] = fy;
    forces[2 * n + i] = fz;
}
