/** The lines of a text, as its bytes come; blank ones are left out. */
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
    // Where the caller leaves early nobody wants the rest.
    if (!ended) await reader.cancel();
  }
}
