/** The lines of a text, while its bytes arrive. Blank lines are left out. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let rest = '';
  let ended = false;
  try {
    while (!ended) {
      const step = await reader.read();
      ended = step.done;
      const lines = (rest + decoder.decode(step.value ?? new Uint8Array(0), { stream: !ended })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') yield line;
    }
    if (rest.trim() !== '') yield rest;
  } finally {
    // If the caller stops early, the rest is not needed.
    if (!ended) await reader.cancel();
  }
}
