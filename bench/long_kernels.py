"""Kernels of a hundred lines each, for `bench_compile`: what compilers have to read, type and optimise in earnest.

`flow` is a step of the lattice Boltzmann method (D2Q9, one relaxation time), with walls that bounce back, straight
through. `march` follows rays through a scene of spheres, in loops that end where their data say. `diffuse` steps a
field in tiles of shared memory, with barriers, and sums what changed over each block.
"""

import math

from numba import cuda, float32, int32

TILE, HALO, STEPS = 16, 1, 4


@cuda.jit
def flow(now, after, solid, speeds, relaxation, force_x, force_y):
    x, y = cuda.grid(2)
    rows, columns = solid.shape
    if y < rows and x < columns:
        left = x - 1 if x > 0 else columns - 1
        right = x + 1 if x < columns - 1 else 0
        below = y - 1 if y > 0 else rows - 1
        above = y + 1 if y < rows - 1 else 0
        rest = now[0, y, x]
        east = now[1, y, left]
        north = now[2, below, x]
        west = now[3, y, right]
        south = now[4, above, x]
        north_east = now[5, below, left]
        north_west = now[6, below, right]
        south_west = now[7, above, right]
        south_east = now[8, above, left]
        if solid[y, x] != 0:
            after[0, y, x] = rest
            after[1, y, x] = west
            after[2, y, x] = south
            after[3, y, x] = east
            after[4, y, x] = north
            after[5, y, x] = south_west
            after[6, y, x] = south_east
            after[7, y, x] = north_east
            after[8, y, x] = north_west
            speeds[0, y, x] = float32(0)
            speeds[1, y, x] = float32(0)
            speeds[2, y, x] = float32(0)
        else:
            density = rest + east + north + west + south
            density += north_east + north_west + south_west + south_east
            if density < float32(0.05):
                density = float32(0.05)
            flow_x = east - west + north_east - north_west
            flow_x += south_east - south_west
            flow_y = north - south + north_east + north_west
            flow_y -= south_east + south_west
            flow_x = flow_x / density
            flow_y = flow_y / density
            forced_x = flow_x + relaxation * force_x / density
            forced_y = flow_y + relaxation * force_y / density
            speed = math.sqrt(forced_x * forced_x + forced_y * forced_y)
            if speed > float32(0.25):
                scale = float32(0.25) / speed
                forced_x *= scale
                forced_y *= scale
                speed = float32(0.25)
            square = float32(1.5) * (forced_x * forced_x + forced_y * forced_y)
            middle = float32(4.0 / 9.0) * density
            straight = float32(1.0 / 9.0) * density
            slanted = float32(1.0 / 36.0) * density
            keep = float32(1) - float32(1) / relaxation
            gain = float32(1) / relaxation
            after[0, y, x] = keep * rest + gain * middle * (float32(1) - square)
            along = float32(3) * forced_x
            common = float32(1) + float32(0.5) * along * along - square
            after[1, y, x] = keep * east + gain * straight * (common + along)
            after[3, y, x] = keep * west + gain * straight * (common - along)
            along = float32(3) * forced_y
            common = float32(1) + float32(0.5) * along * along - square
            after[2, y, x] = keep * north + gain * straight * (common + along)
            after[4, y, x] = keep * south + gain * straight * (common - along)
            along = float32(3) * (forced_x + forced_y)
            common = float32(1) + float32(0.5) * along * along - square
            after[5, y, x] = keep * north_east + gain * slanted * (common + along)
            after[7, y, x] = keep * south_west + gain * slanted * (common - along)
            along = float32(3) * (forced_y - forced_x)
            common = float32(1) + float32(0.5) * along * along - square
            after[6, y, x] = keep * north_west + gain * slanted * (common + along)
            after[8, y, x] = keep * south_east + gain * slanted * (common - along)
            speeds[0, y, x] = forced_x
            speeds[1, y, x] = forced_y
            speeds[2, y, x] = speed
            if not math.isfinite(speed):
                after[0, y, x] = middle
                after[1, y, x] = straight
                after[2, y, x] = straight
                after[3, y, x] = straight
                after[4, y, x] = straight
                after[5, y, x] = slanted
                after[6, y, x] = slanted
                after[7, y, x] = slanted
                after[8, y, x] = slanted
                speeds[0, y, x] = float32(0)
                speeds[1, y, x] = float32(0)
                speeds[2, y, x] = float32(0)


@cuda.jit
def march(spheres, light, image, depths, hits, steps, far):
    column, row = cuda.grid(2)
    rows, columns = image.shape
    if row < rows and column < columns:
        dx = (float32(2) * float32(column) - float32(columns)) / float32(columns)
        dy = (float32(2) * float32(row) - float32(rows)) / float32(rows)
        dz = float32(1.5)
        length = math.sqrt(dx * dx + dy * dy + dz * dz)
        dx /= length
        dy /= length
        dz /= length
        px, py, pz = float32(0), float32(0), float32(-3)
        travelled = float32(0)
        nearest = -1
        bright = float32(0)
        weight = float32(1)
        bounces = 0
        taken = 0
        while taken < steps and travelled < far:
            taken += 1
            closest = float32(1e9)
            which = -1
            for k in range(spheres.shape[0]):
                sx = px - spheres[k, 0]
                sy = py - spheres[k, 1]
                sz = pz - spheres[k, 2]
                away = math.sqrt(sx * sx + sy * sy + sz * sz) - spheres[k, 3]
                if away < closest:
                    closest = away
                    which = k
            ground = py + float32(1)
            if ground < closest:
                closest = ground
                which = spheres.shape[0]
            if closest > float32(1e-3):
                px += dx * closest
                py += dy * closest
                pz += dz * closest
                travelled += closest
                continue
            if nearest < 0:
                nearest = which
                depths[row, column] = travelled
            if which < spheres.shape[0]:
                nx = (px - spheres[which, 0]) / spheres[which, 3]
                ny = (py - spheres[which, 1]) / spheres[which, 3]
                nz = (pz - spheres[which, 2]) / spheres[which, 3]
                albedo = spheres[which, 4]
                mirror = spheres[which, 5]
            else:
                nx, ny, nz = float32(0), float32(1), float32(0)
                square = (int(px + float32(64)) + int(pz + float32(64))) & 1
                albedo = float32(0.9) if square == 0 else float32(0.3)
                mirror = float32(0.1)
            facing = nx * light[0] + ny * light[1] + nz * light[2]
            if facing < float32(0):
                facing = float32(0)
            shadow = float32(1)
            if facing > float32(0):
                tx = px + nx * float32(0.01)
                ty = py + ny * float32(0.01)
                tz = pz + nz * float32(0.01)
                for k in range(spheres.shape[0]):
                    sx = tx - spheres[k, 0]
                    sy = ty - spheres[k, 1]
                    sz = tz - spheres[k, 2]
                    b = sx * light[0] + sy * light[1] + sz * light[2]
                    c = sx * sx + sy * sy + sz * sz
                    c -= spheres[k, 3] * spheres[k, 3]
                    if b < float32(0) and b * b > c:
                        shadow = float32(0.2)
                        break
            fog = math.exp(-float32(0.05) * travelled)
            bright += weight * albedo * facing * shadow * fog
            weight *= mirror
            bounces += 1
            if weight < float32(0.01) or bounces > 4:
                break
            along = float32(2) * (dx * nx + dy * ny + dz * nz)
            dx -= along * nx
            dy -= along * ny
            dz -= along * nz
            px += nx * float32(0.01)
            py += ny * float32(0.01)
            pz += nz * float32(0.01)
        if nearest < 0:
            sky = float32(0.5) * (dy + float32(1))
            bright = bright + weight * (float32(0.2) + float32(0.8) * sky)
            depths[row, column] = far
        if bright > float32(1):
            bright = float32(1)
        image[row, column] = math.pow(bright, float32(1.0 / 2.2))
        if nearest >= 0:
            cuda.atomic.add(hits, nearest, 1)


@cuda.jit
def diffuse(now, after, walls, sources, changed, peaks, conduct, decay):
    heat = cuda.shared.array((TILE + 2, TILE + 2), float32)
    wall = cuda.shared.array((TILE + 2, TILE + 2), int32)
    sums = cuda.shared.array(TILE * TILE, float32)
    tops = cuda.shared.array(TILE * TILE, float32)
    column, row = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    rows, columns = now.shape
    inside = row < rows and column < columns
    lx, ly = tx + HALO, ty + HALO
    heat[ly, lx] = now[row, column] if inside else float32(0)
    wall[ly, lx] = walls[row, column] if inside else 1
    if tx == 0:
        edge = inside and column > 0
        heat[ly, 0] = now[row, column - 1] if edge else float32(0)
        wall[ly, 0] = walls[row, column - 1] if edge else 1
    if tx == TILE - 1:
        edge = inside and column + 1 < columns
        heat[ly, TILE + 1] = now[row, column + 1] if edge else float32(0)
        wall[ly, TILE + 1] = walls[row, column + 1] if edge else 1
    if ty == 0:
        edge = inside and row > 0
        heat[0, lx] = now[row - 1, column] if edge else float32(0)
        wall[0, lx] = walls[row - 1, column] if edge else 1
    if ty == TILE - 1:
        edge = inside and row + 1 < rows
        heat[TILE + 1, lx] = now[row + 1, column] if edge else float32(0)
        wall[TILE + 1, lx] = walls[row + 1, column] if edge else 1
    cuda.syncthreads()
    first = heat[ly, lx]
    here = first
    free = wall[ly, lx] == 0
    gained = float32(0)
    if inside:
        gained = sources[row, column]
    for step in range(STEPS):
        total = float32(0)
        count = 0
        if wall[ly, lx - 1] == 0:
            total += heat[ly, lx - 1]
            count += 1
        if wall[ly, lx + 1] == 0:
            total += heat[ly, lx + 1]
            count += 1
        if wall[ly - 1, lx] == 0:
            total += heat[ly - 1, lx]
            count += 1
        if wall[ly + 1, lx] == 0:
            total += heat[ly + 1, lx]
            count += 1
        change = conduct * (total - float32(count) * here)
        if free:
            here += change
            here += gained / float32(step + 1)
            here -= decay * here * here
            if here < float32(0):
                here = float32(0)
            elif here > float32(100):
                here = float32(100)
        cuda.syncthreads()
        heat[ly, lx] = here
        cuda.syncthreads()
    moved = here - first
    if moved < float32(0):
        moved = -moved
    place = ty * TILE + tx
    sums[place] = moved if inside else float32(0)
    tops[place] = here if inside else float32(0)
    if inside:
        after[row, column] = here
        if moved > float32(50):
            after[row, column] = float32(0.5) * (here + first)
            walls[row, column] = 0
    cuda.syncthreads()
    reach = TILE * TILE // 2
    while reach > 0:
        if place < reach:
            sums[place] += sums[place + reach]
            other = tops[place + reach]
            if other > tops[place]:
                tops[place] = other
        cuda.syncthreads()
        reach //= 2
    if place == 0:
        block = cuda.blockIdx.y * cuda.gridDim.x + cuda.blockIdx.x
        changed[block] = sums[0]
        peaks[block] = tops[0]
        average = sums[0] / float32(TILE * TILE)
        if average > float32(1):
            changed[block] = math.log(average) + float32(TILE * TILE)
        else:
            changed[block] = average
