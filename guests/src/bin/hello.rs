//! Prints what it was started with and exits with the number of its arguments.

fn main() {
    let args: Vec<String> = std::env::args().collect();
    println!("hello from {} with {:?}", args[0], &args[1..]);
    println!("GREETING={}", std::env::var("GREETING").unwrap_or_default());
    let sum: u64 = std::thread::spawn(|| (1..=1000).sum()).join().expect("the thread returns");
    println!("sum={sum}");
    std::process::exit(i32::try_from(args.len() - 1).unwrap_or(i32::MAX));
}
