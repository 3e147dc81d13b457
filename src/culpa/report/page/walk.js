// The exact policy gradient of one prompt, as in dynamics/walk.py and dynamics/scale.py: no drawing, no page.
//   log pi <- log pi + eta pi (A - sum pi A),   A = scale (R - sum pi R) - kl log(pi / pi0)
"use strict";
const culpaWalk = (() => {
  const TINY = 1e-300;
  const TILT_PARTS = 40;
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const dot = (a, b) => a.reduce((total, value, i) => total + value * b[i], 0);

  function softmax(logits) {
    const top = Math.max(...logits);
    const raised = logits.map((z) => Math.exp(z - top));
    const whole = sum(raised);
    return raised.map((value) => value / whole);
  }

  function logSoftmax(logits) {
    const top = Math.max(...logits);
    const whole = Math.log(sum(logits.map((z) => Math.exp(z - top))));
    return logits.map((z) => z - top - whole);
  }

  // For 1 .. k - 1 successes in a group of k: log of the ways to have the further ones among k - 2, and the spread.
  function groups(size, sampleStd) {
    const logFactorial = [0];
    for (let n = 1; n <= size; n += 1) logFactorial.push(logFactorial[n - 1] + Math.log(n));
    const table = [];
    for (let c = 1; c < size; c += 1) {
      const ways = logFactorial[size - 2] - logFactorial[c - 1] - logFactorial[size - c - 1];
      table.push([ways, Math.sqrt((c * (size - c)) / (sampleStd ? size * (size - 1) : size * size))]);
    }
    return table;
  }

  // What division by the spread of a group multiplies the gradient of the success probability by.
  function binaryScale(success, learner, gap, table) {
    const p = Math.log(Math.max(success, TINY));
    const q = Math.log(Math.max(1 - success, TINY));
    const last = learner.group - 2;
    const terms = table.map(([ways, spread], c) => Math.exp(ways + c * p + (last - c) * q) / (spread + learner.eps / gap));
    return (sum(terms) * (learner.group - 1)) / learner.group;
  }

  function scaleRule(learner, reward) {
    const top = Math.max(...reward);
    const twoLevels = reward.every((value) => value === 0 || value === top);
    if (learner.group && twoLevels && top > 0) {
      const table = groups(learner.group, learner.sampleStd);
      return (prob, gaps, mean) => binaryScale(mean / top, learner, top, table) / top;
    }
    return (prob, gaps) => {
      const variance = sum(prob.map((p, i) => p * gaps[i] * gaps[i]));
      return variance > 0 ? 1 / (Math.sqrt(variance) + learner.eps) : 0;
    };
  }

  // Log-probabilities after each of the steps in `at` (rising, from 0 on).
  function climb(start, reward, learner, eta, at) {
    const scale = learner.kind === "grpo" ? scaleRule(learner, reward) : null;
    const seen = [];
    let logp = start.slice();
    for (let step = 0; ; step += 1) {
      const prob = softmax(logp);
      if (step === at[seen.length]) seen.push(logSoftmax(logp));
      if (seen.length === at.length) return seen;
      const mean = dot(prob, reward);
      let push = reward.map((value) => value - mean);
      if (scale) {
        const factor = scale(prob, push, mean);
        push = push.map((value) => value * factor);
      }
      if (learner.kl > 0) {
        const apart = logp.map((z, i) => z - start[i]);
        const middle = dot(prob, apart);
        push = push.map((value, i) => value - learner.kl * (apart[i] - middle));
      }
      const moved = logp.map((z, i) => z + eta * prob[i] * push[i]);
      const top = Math.max(...moved);
      logp = moved.map((z) => z - top);
    }
  }

  // The best of n outputs drawn from the start; those of one score share by their mass.
  function bestOf(start, reward, n) {
    const mass = start.map(Math.exp);
    return reward.map((value, i) => {
      const below = sum(mass.filter((_, j) => reward[j] < value));
      const level = sum(mass.filter((_, j) => reward[j] === value));
      const won = Math.min(1, below + level) ** n - below ** n;
      return Math.log(Math.max((mass[i] / level) * won, TINY));
    });
  }

  // The run of one prompt: mass and reward of each output, seen after the steps in `at`.
  // Closed forms have no steps: best_of_n is seen after 1, 2, .. n outputs, tilt at 40 equal parts of 1 / beta.
  function run({ mass, reward, learner, eta = 0.1, at }) {
    const start = logSoftmax(mass.map((m) => Math.log(Math.max(m, TINY))));
    const low = Math.min(...reward);
    const above = reward.map((value) => value - low);
    let steps = at;
    let logps;
    if (learner.kind === "best_of_n") {
      steps = Array.from({ length: learner.number }, (_, i) => i);
      logps = steps.map((i) => logSoftmax(bestOf(start, above, i + 1)));
    } else if (learner.kind === "tilt") {
      steps = Array.from({ length: TILT_PARTS + 1 }, (_, i) => i);
      logps = steps.map((i) => logSoftmax(start.map((z, j) => z + (above[j] * i) / TILT_PARTS / learner.number)));
    } else {
      logps = climb(start, above, { eps: 0, kl: 0, sampleStd: false, ...learner }, eta, at);
    }
    const probs = logps.map((logp) => logp.map(Math.exp));
    return { steps, probs, kl: probs.map((prob, t) => dot(prob, logps[t].map((z, i) => z - start[i]))) };
  }

  // 0, 1, 2, .. then ever further apart, and the last.
  function recorded(most, points = 60) {
    const steps = new Set([0]);
    for (let i = 0; i < points; i += 1) steps.add(Math.round(most ** (i / (points - 1))));
    return [...steps].sort((a, b) => a - b);
  }

  return { run, recorded, dot, TILT_PARTS };
})();
