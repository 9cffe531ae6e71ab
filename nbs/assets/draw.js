// "Draw a digit": small networks that run, and a distillation that takes place, in the page itself.
// `engine` is the mathematics (the page and its worker share it), `screen` is what one sees.

const engine = () => {
  const C = 32, SIZES = [16, 8, 4], EPS = 1e-5, PIXELS = 256

  // A network is read from bytes: for each convolution one scale a filter, its 8-bit weights, then bias, gamma, beta, mean, variance
  const readNet = text => {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer
    let at = 0
    const floats = n => (at += 4 * n, new Float32Array(bytes.slice(at - 4 * n, at)))
    const weights = (rows, columns) => {
      const scale = floats(rows), whole = new Int8Array(bytes, at, rows * columns)
      at += rows * columns
      return Float32Array.from(whole, (v, i) => v * scale[Math.floor(i / columns)])
    }
    const layers = [1, C, C].map(inputs => ({
      inputs, w: weights(C, 9 * inputs), b: floats(C), gamma: floats(C), beta: floats(C), mean: floats(C), variance: floats(C),
    }))
    return { layers, w: weights(10, 4 * C), b: floats(10) }
  }

  const newNet = random => {  // PyTorch's initial weights: uniform within one over the root of the inputs
    const uniform = (n, fan) => Float32Array.from({ length: n }, () => (2 * random() - 1) / Math.sqrt(fan))
    const layers = [1, C, C].map(inputs => ({
      inputs, w: uniform(9 * inputs * C, 9 * inputs), b: uniform(C, 9 * inputs), gamma: new Float32Array(C).fill(1),
      beta: new Float32Array(C), mean: new Float32Array(C), variance: new Float32Array(C).fill(1),
    }))
    return { layers, w: uniform(40 * C, 4 * C), b: uniform(10, 4 * C) }
  }

  const pad = (x, planes, s) => {
    const out = new Float32Array(planes * (s + 2) ** 2)
    for (let p = 0; p < planes; p++)
      for (let y = 0; y < s; y++)
        out.set(x.subarray((p * s + y) * s, (p * s + y + 1) * s), (p * (s + 2) + y + 1) * (s + 2) + 1)
    return out
  }

  // Convolution 3x3 of padded planes
  const convolve = (xp, w, b, n, inputs, outputs, s) => {
    const out = new Float32Array(n * outputs * s * s), q = s + 2
    for (let i = 0; i < n; i++) for (let o = 0; o < outputs; o++) {
      const z = (i * outputs + o) * s * s
      out.fill(b ? b[o] : 0, z, z + s * s)
      for (let c = 0; c < inputs; c++) {
        const k = (o * inputs + c) * 9, [a, d, e, f, g, h, l, m, r] = w.subarray(k, k + 9)
        for (let y = 0; y < s; y++) {
          let p = ((i * inputs + c) * q + y) * q, t = z + y * s
          for (let x = 0; x < s; x++, p++, t++)
            out[t] += a * xp[p] + d * xp[p + 1] + e * xp[p + 2] + f * xp[p + q] + g * xp[p + q + 1] + h * xp[p + q + 2]
              + l * xp[p + 2 * q] + m * xp[p + 2 * q + 1] + r * xp[p + 2 * q + 2]
        }
      }
    }
    return out
  }

  // Mean and biased variance of each channel
  const moments = (z, n, area) => {
    const mean = new Float32Array(C), variance = new Float32Array(C)
    for (let c = 0; c < C; c++) {
      let sum = 0, squares = 0
      for (let i = 0; i < n; i++) for (let p = (i * C + c) * area, end = p + area; p < end; p++) { sum += z[p]; squares += z[p] ** 2 }
      mean[c] = sum / (n * area)
      variance[c] = Math.max(0, squares / (n * area) - mean[c] ** 2)
    }
    return { mean, variance }
  }

  // `training`: BatchNorm by the batch's own statistics, which also move the running ones
  const forward = (net, images, n, training) => {
    let x = images
    const kept = net.layers.map((layer, l) => {
      const s = SIZES[l], area = s * s, xp = pad(x, n * layer.inputs, s)
      const z = convolve(xp, layer.w, layer.b, n, layer.inputs, C, s), batch = moments(z, n, area)
      const { mean, variance } = training ? batch : layer
      if (training) for (let c = 0; c < C; c++) {
        layer.mean[c] += 0.1 * (mean[c] - layer.mean[c])
        layer.variance[c] += 0.1 * (variance[c] * n * area / (n * area - 1) - layer.variance[c])
      }
      const scale = layer.gamma.map((g, c) => g / Math.sqrt(variance[c] + EPS))
      const a = new Float32Array(z.length), h = s / 2
      x = new Float32Array(n * C * h * h)
      for (let p = 0; p < n * C; p++) {
        const c = p % C
        for (let j = 0; j < area; j++) {
          const v = a[p * area + j] = (z[p * area + j] - mean[c]) * scale[c] + layer.beta[c]
          if (v > 0) x[p * h * h + (j / s >> 1) * h + (j % s >> 1)] += v / 4
        }
      }
      return { xp, z, a, mean, variance, scale, batch }
    })
    const logits = new Float32Array(n * 10), F = 4 * C
    for (let i = 0; i < n; i++) for (let k = 0; k < 10; k++) {
      let sum = net.b[k]
      for (let j = 0; j < F; j++) sum += net.w[k * F + j] * x[i * F + j]
      logits[i * 10 + k] = sum
    }
    return { kept, features: x, logits }
  }

  const softmax = row => {
    const top = Math.max(...row), e = Array.from(row, v => Math.exp(v - top)), sum = e.reduce((a, b) => a + b)
    return e.map(v => v / sum)
  }
  const best = row => row.indexOf(Math.max(...row))

  // Cross-entropy of images of classes 0 to 9 in turn, and its gradient in the logits
  const crossEntropy = (logits, n) => {
    const grad = new Float32Array(n * 10)
    let loss = 0
    for (let i = 0; i < n; i++) softmax(logits.subarray(i * 10, i * 10 + 10)).forEach((p, k) => {
      const right = k === i % 10
      grad[i * 10 + k] = (p - right) / n
      if (right) loss -= Math.log(p) / n
    })
    return { loss, grad }
  }

  const norm = v => Math.sqrt(v.reduce((sum, u) => sum + u * u, 0))

  // From gradients in logits and features back to the pixels; `want.layers`: add the BatchNorm terms; `want.weights`: those of the weights too
  const backward = (net, out, n, gradLogits, gradFeatures, want) => {
    const F = 4 * C, gx = gradFeatures ?? new Float32Array(n * F), grads = []
    for (let i = 0; i < n; i++) for (let k = 0; k < 10; k++)
      for (let j = 0; j < F; j++) gx[i * F + j] += gradLogits[i * 10 + k] * net.w[k * F + j]
    if (want.weights) {
      const w = new Float32Array(10 * F), b = new Float32Array(10)
      for (let i = 0; i < n; i++) for (let k = 0; k < 10; k++) {
        b[k] += gradLogits[i * 10 + k]
        for (let j = 0; j < F; j++) w[k * F + j] += gradLogits[i * 10 + k] * out.features[i * F + j]
      }
      grads.push([net.w, w], [net.b, b])
    }
    let grad = gx, terms = 0
    for (let l = 2; l >= 0; l--) {
      const layer = net.layers[l], { xp, z, a, mean, variance, scale, batch } = out.kept[l]
      const s = SIZES[l], area = s * s, h = s / 2, total = n * area, dz = new Float32Array(z.length)
      for (let p = 0; p < n * C; p++) for (let j = 0; j < area; j++)
        if (a[p * area + j] > 0) dz[p * area + j] = grad[p * h * h + (j / s >> 1) * h + (j % s >> 1)] / 4
      const dGamma = new Float32Array(C), dBeta = new Float32Array(C)
      if (want.weights) for (let p = 0; p < n * C; p++) for (let j = 0, c = p % C; j < area; j++) {
        dBeta[c] += dz[p * area + j]
        dGamma[c] += dz[p * area + j] * (z[p * area + j] - mean[c]) / Math.sqrt(variance[c] + EPS)
      }
      for (let p = 0; p < n * C; p++) for (let j = 0, c = p % C; j < area; j++) {
        const centred = (z[p * area + j] - mean[c]) / Math.sqrt(variance[c] + EPS)
        const common = want.weights ? (dBeta[c] + centred * dGamma[c]) / total : 0
        dz[p * area + j] = scale[c] * (dz[p * area + j] - common)
      }
      if (want.layers) {
        const dm = batch.mean.map((v, c) => v - layer.mean[c]), dv = batch.variance.map((v, c) => v - layer.variance[c])
        const m = norm(dm), v = norm(dv)
        terms += m + v
        for (let p = 0; p < n * C; p++) for (let j = 0, c = p % C; j < area; j++)
          dz[p * area + j] += want.layers * (dm[c] / m + 2 * dv[c] / v * (z[p * area + j] - batch.mean[c])) / total
      }
      if (want.weights) {
        const w = new Float32Array(layer.w.length), b = new Float32Array(C), q = s + 2, N = layer.inputs
        for (let i = 0; i < n; i++) for (let o = 0; o < C; o++) {
          const t = (i * C + o) * area
          for (let j = 0; j < area; j++) b[o] += dz[t + j]
          for (let c = 0; c < N; c++) for (let ky = 0; ky < 3; ky++) for (let kx = 0; kx < 3; kx++) {
            let sum = 0
            for (let y = 0; y < s; y++) for (let x = 0, p = ((i * N + c) * q + y + ky) * q + kx; x < s; x++, p++) sum += dz[t + y * s + x] * xp[p]
            w[(o * N + c) * 9 + 3 * ky + kx] += sum
          }
        }
        grads.push([layer.w, w], [layer.b, b], [layer.gamma, dGamma], [layer.beta, dBeta])
        if (l === 0) break
      }
      const turned = new Float32Array(layer.w.length), N = layer.inputs  // The kernels from outputs back to inputs
      for (let o = 0; o < C; o++) for (let c = 0; c < N; c++) for (let k = 0; k < 9; k++) turned[(c * C + o) * 9 + 8 - k] = layer.w[(o * N + c) * 9 + k]
      grad = convolve(pad(dz, n * C, s), turned, null, n, C, N, s)
    }
    return { grad, grads, terms }
  }

  // The loss of one teacher (chapter 03): cross-entropy, 10 times the class means, a tenth of the layers' terms; its gradient in the pixels
  const teacherLoss = (net, means, x) => {
    const out = forward(net, x, 10), ce = crossEntropy(out.logits, 10), F = 4 * C, gf = new Float32Array(10 * F)
    let loss = ce.loss
    for (let i = 0; i < 10; i++) {
      const away = out.features.slice(i * F, i * F + F).map((v, j) => v - means[i * F + j]), far = norm(away)
      loss += far
      away.forEach((v, j) => { gf[i * F + j] = v / far })
    }
    const { grad, terms } = backward(net, out, 10, ce.grad, gf, { layers: 0.1 })
    return { loss: loss + 0.1 * terms, grad }
  }

  // A random view, as the recipe has it: a crop of the area, a shift by a pixel, a turn by ten degrees; places and weights of four pixels each
  const sampleView = (random, smallest) => {
    const within = (low, high) => low + (high - low) * random()
    const w = Math.sqrt(within(smallest, 1)), x = within(-1, 1) * (1 - w), y = within(-1, 1) * (1 - w)
    const dx = (Math.floor(random() * 3) - 1) / 8, dy = (Math.floor(random() * 3) - 1) / 8, turn = within(-10, 10) * Math.PI / 180
    const at = new Int32Array(4 * PIXELS), share = new Float32Array(4 * PIXELS)
    for (let r = 0; r < 16; r++) for (let c = 0; c < 16; c++) {
      const u = (2 * c + 1) / 16 - 1, v = (2 * r + 1) / 16 - 1, held = g => Math.min(15, Math.max(0, ((g + 1) * 16 - 1) / 2))
      const px = held(w * Math.cos(turn) * u - w * Math.sin(turn) * v + x + dx), py = held(w * Math.sin(turn) * u + w * Math.cos(turn) * v + y + dy)
      const x0 = Math.floor(px), y0 = Math.floor(py), x1 = Math.min(15, x0 + 1), y1 = Math.min(15, y0 + 1), k = 4 * (16 * r + c)
      at.set([16 * y0 + x0, 16 * y0 + x1, 16 * y1 + x0, 16 * y1 + x1], k)
      share.set([(1 - px + x0) * (1 - py + y0), (px - x0) * (1 - py + y0), (1 - px + x0) * (py - y0), (px - x0) * (py - y0)], k)
    }
    return { at, share }
  }
  const look = (x, views) => {
    const out = new Float32Array(x.length)
    views.forEach(({ at, share }, i) => { for (let k = 0; k < 4 * PIXELS; k++) out[i * PIXELS + (k >> 2)] += share[k] * x[i * PIXELS + at[k]] })
    return out
  }
  const lookBack = (grad, views) => {
    const out = new Float32Array(grad.length)
    views.forEach(({ at, share }, i) => { for (let k = 0; k < 4 * PIXELS; k++) out[i * PIXELS + at[k]] += share[k] * grad[i * PIXELS + (k >> 2)] })
    return out
  }

  // One step of Adam on arrays; `decay` is coupled as in Adam, or not as in AdamW
  const adam = (state, pairs, lr, [b1, b2], decay, coupled) => {
    state.t = (state.t ?? 0) + 1
    pairs.forEach(([value, grad]) => {
      if (!state.has(value)) state.set(value, [new Float32Array(value.length), new Float32Array(value.length)])
      const [m, v] = state.get(value)
      for (let i = 0; i < value.length; i++) {
        const g = grad[i] + (coupled ? decay * value[i] : 0)
        m[i] = b1 * m[i] + (1 - b1) * g
        v[i] = b2 * v[i] + (1 - b2) * g * g
        if (!coupled) value[i] *= 1 - lr * decay
        value[i] -= lr * m[i] / (1 - b1 ** state.t) / (Math.sqrt(v[i] / (1 - b2 ** state.t)) + 1e-8)
      }
    })
  }
  const cosine = (lr, n, all) => lr * (1 + Math.cos(Math.PI * n / all)) / 2
  const views = (random, smallest) => Array.from({ length: 10 }, () => sampleView(random, smallest))

  const distil = (teacher, means, images, range, steps, random, onStep) => {
    const x = Float32Array.from(images), state = new Map()
    for (let n = 0; n < steps; n++) {
      const seen = views(random, 0.8), { loss, grad } = teacherLoss(teacher, means, look(x, seen))
      adam(state, [[x, lookBack(grad, seen)]], cosine(0.1, n, steps), [0.5, 0.9], 1e-4, true)
      for (let i = 0; i < x.length; i++) x[i] = Math.min(range[1], Math.max(range[0], x[i]))
      onStep(n + 1, x, loss)
    }
    return x
  }

  const train = (x, epochs, random, onEpoch) => {
    const net = newNet(random), state = new Map()
    for (let n = 0; n < epochs; n++) {
      const out = forward(net, look(x, views(random, 0.7)), 10, true)
      const { grads } = backward(net, out, 10, crossEntropy(out.logits, 10).grad, null, { weights: true })
      adam(state, grads, cosine(0.001, n, epochs), [0.9, 0.999], 0.01, false)
      onEpoch(n + 1)
    }
    return net
  }

  const generator = seed => () => {  // Mulberry32
    let t = seed += 0x6D2B79F5
    t = Math.imul(t ^ t >>> 15, t | 1)
    t ^= t + Math.imul(t ^ t >>> 7, t | 61)
    return ((t ^ t >>> 14) >>> 0) / 4294967296
  }

  // The 8x8 digit, 0 to 16, as the networks see it: 16x16, normalized
  const enlarge = (small, { mean, std }) => {
    const out = new Float32Array(PIXELS), at = k => Math.min(7, Math.max(0, k))
    for (let r = 0; r < 16; r++) for (let c = 0; c < 16; c++) {
      const y = r - 1 >> 1, x = c - 1 >> 1, fy = r % 2 ? 0.25 : 0.75, fx = c % 2 ? 0.25 : 0.75
      const p = (j, i) => small[8 * at(y + j) + at(x + i)] * 255 / 16
      const v = (1 - fy) * ((1 - fx) * p(0, 0) + fx * p(0, 1)) + fy * ((1 - fx) * p(1, 0) + fx * p(1, 1))
      out[16 * r + c] = (Math.round(v) / 255 - mean) / std
    }
    return out
  }

  return { readNet, forward, softmax, best, teacherLoss, distil, train, generator, enlarge }
}

// A drawing, 280x280 of ink or none, as the digits' makers prepared theirs: straightened, stretched to the box, of their stroke width
const prepare = (ink, side = 280) => {
  let n = 0, sx = 0, sy = 0, syy = 0, sxy = 0
  for (let p = 0; p < ink.length; p++) if (ink[p]) { const x = p % side, y = p / side | 0; n++; sx += x; sy += y; syy += y * y; sxy += x * y }
  if (n < 50) return null
  const lean = (sxy / n - sx * sy / n / n) / Math.max(1, syy / n - sy * sy / n / n), middle = sy / n, points = []
  let [left, right, top, bottom] = [1e9, -1e9, 1e9, -1e9]
  for (let p = 0; p < ink.length; p++) if (ink[p]) {
    const y = p / side | 0, x = p % side - lean * (y - middle)
    left = Math.min(left, x); right = Math.max(right, x + 1); top = Math.min(top, y); bottom = Math.max(bottom, y + 1)
    points.push([x, y])
  }
  // The height fills 32 rows; the width is half way between that of the drawing and 20
  const height = bottom - top, width = Math.max(4, Math.min(32, Math.round(Math.sqrt(20 * 32 * (right - left) / height)))), start = (32 - width) >> 1
  const cells = new Float32Array(32 * 32), inside = (c, r) => (c >= 0 && c < 32 && r >= 0 && r < 32 ? cells[32 * r + c] : 0)
  const each = width / (right - left) * 32 / height
  points.forEach(([x, y]) => {
    const c = start + Math.min(width - 1, (x - left) / (right - left) * width | 0), r = Math.min(31, (y - top) / height * 32 | 0)
    cells[32 * r + c] = Math.min(1, cells[32 * r + c] + each)
  })
  const blurred = from => Float32Array.from(cells, (_, p) => {
    let sum = 0
    for (let j = -1; j <= 1; j++) for (let i = -1; i <= 1; i++) sum += from(p % 32 + i, (p >> 5) + j)
    return sum / 9
  })
  const once = blurred(inside), soft = blurred((c, r) => (c >= 0 && c < 32 && r >= 0 && r < 32 ? once[32 * r + c] : 0)).map((v, p) => v + 1e-3 * cells[p])
  const level = Float32Array.from(soft).sort()[1024 - 313], small = new Float32Array(64)  // As much ink as the digits have on average
  soft.forEach((v, p) => { if (v > 0 && v >= level) small[8 * (p >> 7) + (p % 32 >> 2)]++ })
  return small
}

// In the worker: score a network on the test digits, or distil and train, and report on the way
const work = () => {
  const { readNet, forward, best, distil, train, generator, enlarge } = engine()
  let data, digits
  const score = net => digits.map(x => best(forward(net, x, 1).logits))
  onmessage = ({ data: ask }) => {
    if (ask.data) {
      data = ask.data
      digits = [...data.digits].map((_, i, all) => i % 64 ? null : enlarge(all.slice(i, i + 64).map(c => c.charCodeAt(0) - 65), data)).filter(Boolean)
    } else if (ask.net) {
      postMessage({ id: ask.id, guesses: score(readNet(ask.net)) })
    } else {
      const random = generator(ask.seed), began = performance.now(), seconds = () => (performance.now() - began) / 1000
      const images = distil(readNet(data.teacher), ask.means, ask.images, data.range, 300, random, (step, x, loss) => {
        if (step % 5 === 0) postMessage({ step, loss, images: Float32Array.from(x), seconds: seconds() })
      })
      const net = train(images, 200, random, epoch => { if (epoch % 20 === 0) postMessage({ epoch, seconds: seconds() }) })
      postMessage({ net, guesses: score(net), images, seconds: seconds() })
    }
  }
}

const screen = (box, data) => {
  const { readNet, forward, softmax, best, enlarge } = engine()
  const $ = name => box.querySelector(`[data-${name}]`), bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0))
  const labels = [...data.labels].map(Number), steps = data.students.map(s => s.step)
  const digit = i => Float32Array.from({ length: 64 }, (_, k) => data.digits.charCodeAt(64 * i + k) - 65)
  const normalize = v => (v / 255 - data.mean) / data.std
  const students = data.students.map(s => ({ net: readNet(s.net), images: bytes(s.images), guesses: null }))
  let own = null, small = null, at = students.length - 1

  const show = (canvas, images, each, columns, shade) => {  // Grey images side by side; `shade` colours one
    const side = Math.sqrt(each), pen = canvas.getContext('2d'), count = images.length / each
    canvas.width = columns * (side + 1); canvas.height = Math.ceil(count / columns) * (side + 1)
    for (let i = 0; i < count; i++) {
      const tile = pen.createImageData(side, side), [r, g, b] = shade(i)
      for (let p = 0; p < each; p++) { const v = images[i * each + p] / 255; tile.data.set([v * r, v * g, v * b, 255], 4 * p) }
      pen.putImageData(tile, (i % columns) * (side + 1), Math.floor(i / columns) * (side + 1))
    }
  }
  const white = () => [255, 255, 255]
  const worker = new Worker(URL.createObjectURL(new Blob([`const engine = ${engine}; (${work})()`], { type: 'text/javascript' })))
  worker.postMessage({ data: { digits: data.digits, mean: data.mean, std: data.std, range: data.range, teacher: data.teacher } })

  const second = () => (at < students.length ? students[at] : own)
  const percent = guesses => (100 * guesses.filter((g, i) => g === labels[i]).length / labels.length).toFixed(1)

  const guess = () => {
    ;[students[0], second()].forEach((student, k) => {
      const shares = small ? softmax(forward(student.net, enlarge(small, data), 1).logits) : Array(10).fill(0)
      const rows = box.querySelectorAll(`[data-bars="${k}"] i`)
      shares.forEach((p, c) => { rows[c].style.width = `${100 * p}%`; rows[c].className = p === Math.max(...shares) && p ? 'top' : '' })
      box.querySelector(`[data-guess="${k}"]`).textContent = small ? best(shares) : '?'
    })
    show($('seen'), small ? small.map(v => 255 / 16 * v) : new Float32Array(64), 64, 1, white)
  }

  const wall = () => {
    const { guesses } = second(), all = Float32Array.from({ length: 64 * labels.length }, (_, k) => 255 / 16 * (data.digits.charCodeAt(k) - 65))
    show($('wall'), all, 64, innerWidth < 700 ? 25 : 40, i => (!guesses ? [150, 150, 150] : guesses[i] === labels[i] ? [70, 225, 120] : [255, 70, 60]))
    $('right').textContent = guesses ? `${percent(guesses)} % of ${labels.length} test digits right` : 'reading the test digits ...'
  }

  const choose = () => {
    at = +$('slider').value
    const name = at < students.length ? `iteration ${steps[at]}` : 'distilled by yourself'
    $('when').textContent = name
    $('slider').setAttribute('aria-valuetext', name)
    show($('images1'), second().images, 256, 5, white)
    guess(); wall()
  }

  worker.onmessage = ({ data: told }) => {
    if (told.id !== undefined) {
      students[told.id].guesses = told.guesses
      if (told.id === 0) $('right0').textContent = `${percent(told.guesses)} % right`
      if (told.id === at) wall()
      box.dataset.ready = students.filter(s => s.guesses).length
    } else if (told.net) {
      own = { net: told.net, guesses: told.guesses, images: own.images }
      draw(told.images)
      $('said').textContent = `Your student: ${percent(told.guesses)} % of the test digits, after ${told.seconds.toFixed(0)} s. The ten real digits gave ${$('right0').textContent}.`
      $('go').disabled = false
      $('slider').max = students.length
      $('slider').value = students.length
      choose()
    } else if (told.step) {
      draw(told.images)
      $('said').textContent = `Step ${told.step} of 300, loss ${told.loss.toFixed(2)}, ${told.seconds.toFixed(0)} s`
      $('bar').value = told.step
    } else {
      $('said').textContent = `The student learns: epoch ${told.epoch} of 200, ${told.seconds.toFixed(0)} s`
      $('bar').value = 300 + told.epoch
    }
  }
  const draw = images => {
    own.images = Uint8Array.from(images, v => Math.round(255 * Math.min(1, Math.max(0, v * data.std + data.mean))))
    show($('made'), own.images, 256, 5, white)
  }

  // Drawing
  const canvas = $('canvas'), pen = canvas.getContext('2d', { willReadFrequently: true })
  const clear = () => { pen.fillStyle = '#000'; pen.fillRect(0, 0, 280, 280); small = null; guess() }
  const read = () => {
    const pixels = pen.getImageData(0, 0, 280, 280).data
    small = prepare(Uint8Array.from({ length: 280 * 280 }, (_, p) => pixels[4 * p] > 127))
    guess()
  }
  const place = e => { const r = canvas.getBoundingClientRect(); return [(e.clientX - r.left) / r.width * 280, (e.clientY - r.top) / r.height * 280] }
  let last = null, fresh = false
  canvas.onpointerdown = e => { if (fresh) clear(); fresh = false; last = place(e); canvas.setPointerCapture(e.pointerId); canvas.onpointermove(e) }
  canvas.onpointermove = e => {
    if (!last) return
    const to = place(e)
    Object.assign(pen, { strokeStyle: '#fff', lineWidth: 26, lineCap: 'round', lineJoin: 'round' })
    pen.beginPath(); pen.moveTo(...last); pen.lineTo(to[0] + 0.01, to[1]); pen.stroke()
    last = to
    read()
  }
  canvas.onpointerup = canvas.onpointercancel = () => { last = null }
  const test = kind => {
    const all = labels.map((_, i) => i).filter(i => kind === undefined || labels[i] === kind), i = all[Math.random() * all.length | 0]
    clear()
    small = digit(i)
    for (let p = 0; p < 64; p++) { const v = Math.min(255, 16 * small[p]); pen.fillStyle = `rgb(${v},${v},${v})`; pen.fillRect(35 * (p % 8), 35 * (p >> 3), 35, 35) }
    fresh = true
    guess()
    $('which').textContent = `A test digit, a ${labels[i]}: with real ones ${box.querySelector('[data-guess="0"]').textContent}, with distilled ones ${box.querySelector('[data-guess="1"]').textContent}`
  }
  canvas.onkeydown = e => {
    if (/^[0-9]$/.test(e.key)) test(+e.key)
    else if (['Delete', 'Backspace', 'Escape'].includes(e.key)) clear()
    else return
    e.preventDefault(); e.stopPropagation()
  }
  $('clear').onclick = () => { clear(); $('which').textContent = '' }
  $('test').onclick = () => test()
  $('slider').oninput = choose
  $('go').onclick = () => {
    $('go').disabled = true
    $('slider').max = students.length - 1  // A set of before leaves
    choose()
    own = { images: students[0].images }
    const means = new Float32Array(bytes(data.class_means).buffer), images = Float32Array.from(students[0].images, normalize)
    worker.postMessage({ seed: Math.random() * 2 ** 31 | 0, means, images })
  }
  show($('images0'), students[0].images, 256, 5, white)
  show($('made'), students[0].images, 256, 5, white)
  clear(); choose()
  students.map((_, i) => i).reverse().forEach(i => worker.postMessage({ id: i, net: data.students[i].net }))
  box.engine = engine()  // For tests
  box.prepare = prepare
}
