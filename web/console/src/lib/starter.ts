/** What a new flow begins with: short, whole, and right as it stands once the queue exists. */
export function starter(name: string, queue: string): string {
  return `flow: ${name}
title: {zh-CN: ${name}, en: ${name}}
start: greeting
fallback: message

nodes:
  greeting:
    kind: play
    say:
      text:
        zh-CN: 您好，感谢您的来电。
        en: Hello, and thank you for calling.
    next: message

  message:
    kind: voicemail
    queue: ${queue}
`
}
